from prefect import flow

from . import Colour


@flow
def paint(colour: Colour = Colour.RED): ...
