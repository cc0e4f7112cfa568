# first
from prefect import flow

@flow
def a(x: int = 1):
    """Doc.

    More.
    """
    return x
