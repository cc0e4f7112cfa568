def go(:
