def a(x=(1,
 2)):
    return x