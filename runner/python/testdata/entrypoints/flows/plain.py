import helper
def add(a: int, b: int = 2): return a + b
def every(a, /, b: int, *args: int, c: float = 1, **rest: int): return [a, b, args, c, rest]
def skipped(a=1, b=2, /, c=3): return [a, b, c]
async def later(x: int):
    import asyncio
    await asyncio.sleep(0)
    return x
def steps():
    print("step one")
    yield 1
    print("step two")
async def async_steps():
    print("async step")
    yield 1
def where(): return [__name__, helper.NAME, __import__("sys").argv]
class Jobs:
    @staticmethod
    def fixed(x: int): return x
    @classmethod
    def of_class(cls, x: int): return [cls.__name__, x]
    def method(self, x: int): return x
NUMBER = 5
