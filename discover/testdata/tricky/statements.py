from __future__ import annotations
from . import a
from .. import b as c
from ...x.y import (d, e as f,)
from .... import g
import a.b.c as h, i
from m import *
global_ = 1
x = y = z = 1, *w
x, *y = z
[a, b] = (c, d) = e
(a.b[c], *d) = f
*a, = b
x: int
x.y: int = 1
x[0]: "a" = yield_
(x): int = 1
x += 1; y **= 2; z //= 3; a @= b; c >>= 1; d |= yield_
del x, (y, [z]), a.b, c[0],
assert x, "y"
raise
raise X from Y
lambda: (yield)
lambda *a, b=1, **k: a
lambda x, /, y: x
print(*a, **b, c=1, *d)
f(x for x in y)
f(a, *b, c, d=1, *e, **g, h=2)
f(a := 1, (b := 2))
x = a if b else c if d else e
x = not a in b is not c not in d
x = a or b and not c
x = -a ** -b
x = await_ ** 2
x = a @ b // c % d << e >> f & g ^ h | i
x = a[b := 1, *c, 1:2]
x = {**a, 'b': c, **d}
x = {*a, b}
x = [*a, *b]
x = *a, b
x = 1if a else 2
x = 0xfor 1
x = [1for a in b]
x = a.b.c(d)[e](f).g
x = (yield_)
x = 1 .real
x = 1..real
x = 1.0.real
x = "a" "b" f"c{d}" rf'{e}'
x = ()
x = (a,)
x = ...
x = a if b else lambda: c
x = [lambda: a for b in c]
x = {a: b for a, b in c if d if e}
x = [a for b in c for d in e]
def f(): return *a, b
def g(): yield
def h(): x = yield a, b; yield from c; return (yield)
class A(B, metaclass=C, *D, **E): pass
class A(): pass
class A: x: int = 1; y = 2
try: pass
except (A, B) as c: pass
except A: pass
except: pass
try: pass
finally: pass
global x, y
nonlocal z
pass; pass
if x:pass
