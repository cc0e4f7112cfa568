"""Types that signatures.py imports: a module of the project, read and not run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple, Optional

from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Region(str, Enum):
    """Where it runs."""

    EU = "eu"
    US = "us"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Path3:
    """A path of points."""

    points: list[Point] = field(default_factory=list)
    closed: bool = False


class Address(BaseModel):
    """Where someone lives."""

    street: str
    zip_code: str = Field(default="00000", description="postal code", max_length=10)
    region: Region = Region.EU


class Person(BaseModel):
    name: str
    age: int = Field(ge=0, le=150)
    address: Optional[Address] = None
    tags: list[str] = []


class Movie(TypedDict):
    title: str
    year: int


class Pair(NamedTuple):
    left: int
    right: str = "r"


DEFAULT_TOP = 10
NAMES = ["a", "b"]
