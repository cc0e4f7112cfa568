from prefect import flow

@flow
def ok(): ...

x = (1,
