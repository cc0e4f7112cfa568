from prefect import flow


@flow
def go(a: int, b: str = "x"):
    return a
