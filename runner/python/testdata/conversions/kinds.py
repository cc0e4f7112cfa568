"""Types of parameters; the cases are in python_test.go."""
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import *
from uuid import UUID
if TYPE_CHECKING:
    from nowhere import OnlyForTypeCheckers

class Color(Enum):
    RED = "red"
    GREEN = "green"

class Level(IntEnum):
    LOW = 1
    HIGH = 2

@dataclass
class Point:
    x: int
    y: "int" = 0
    when: "date | None" = None

@dataclass
class Line:
    points: List["Point"]
    color: Optional[Color] = None
    count: int = field(init=False, default=0, repr=False)

class Title(TypedDict):
    title: str

class Movie(Title, total=False):
    year: int

class Pair(NamedTuple):
    a: int
    b: str = "z"

class Email(str): pass
class Service: pass
UserId = NewType("UserId", int)
Number = TypeVar("Number", bound=int)
