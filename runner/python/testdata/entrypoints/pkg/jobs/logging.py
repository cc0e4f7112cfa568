raise SystemExit('shadows the standard library')
