def a(x="ÿş"):
    pass
