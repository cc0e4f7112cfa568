from prefect import flow, get_client


@flow(retries=5, timeout_seconds=3)
def options():
    pass
