from prefect import flow


@flow
def greet(name: str = "world"):
    """Greets by name."""
    print("hello,", name)
