from prefect import flow, task


def kind():
    import prefect

    return getattr(prefect, "KIND", "builtin")
