def a(x=t"hello {name!r:>{width}} {t"{nested}"}", y=rt"\d{x}", z=T'' t"b"): ...
try:
    pass
except A, B:
    def b(): ...
except C, D, E:
    pass
try:
    pass
except* F, G:
    def c(): ...
def d():
    try:
        return 1
    finally:
        return 2
