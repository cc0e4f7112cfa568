from .other import X
def go(): return X
