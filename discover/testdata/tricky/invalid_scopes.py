return 1
yield 2
await x
break
nonlocal y
def f(a, a): ...
class C: return
