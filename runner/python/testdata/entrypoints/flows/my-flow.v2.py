import dataclasses
@dataclasses.dataclass
class A:
    x: 'int'
def go(a: A): return a
