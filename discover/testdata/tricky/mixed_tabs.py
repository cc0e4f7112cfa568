def a():
        if 1:
		return 1
	return 2
