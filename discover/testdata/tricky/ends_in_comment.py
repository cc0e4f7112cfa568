def a():
    pass
    # bye