from .types import Colour
