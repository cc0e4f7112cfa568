def in_init(): return __name__
