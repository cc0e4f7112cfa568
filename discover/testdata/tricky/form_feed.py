def a():
    pass

def b():
      return 1

class C:
    def m(self): pass
