from prefect import flow


@flow
def go():
    return __name__
