import contextlib
class A:
    @staticmethod
    def s(x): ...
    @classmethod
    def c(cls): ...
    def m(self):
        def inner():
            class Deep:
                def deepest(self): ...
        return inner
    class B:
        async def n(self): ...
try:
    def t(): ...
except* ValueError as e:
    def u(): ...
else:
    def v(): ...
finally:
    def w(): ...
with (open("a") as a, open("b") as b,):
    def x(): ...
with (a, b): 
    def x2(): ...
with (a): pass
with (yield_ := a) as c, (b) as (d, e): pass
for i, *j in (1, 2), *k:
    def y(): ...
else:
    def z(): ...
while (n := f()): 
    def w1(): ...
match x:
    case [1, *rest, {"a": b, **c}] | Point(x=0, y=-1.5+2j) if rest:
        def m1(): ...
    case (1 | 2 as q), *_: 
        def m2(): ...
    case "a" "b" | None | True | a.b.c | {}:
        def m3(): ...
    case _: pass
match = case = type = _ = 1
match (1, 2)
match [1]
match -1
match * 2
match.x = 3
match: int = 4
type: str = "x"
print(match, case, type)
match match:
    case case: 
        def m4(): ...
match x, *y:
    case a, *b,: pass
if True: pass; x = 1; 
elif False: 
    def el(): ...
async def co():
    async with a as b, c: pass
    async for x in y: 
        await z
    return [x async for x in y if await x], {k: v for k, v in w}, (i for i in j)
