def a():
	if 1:
		return 1
        # eight blanks
	return 2
