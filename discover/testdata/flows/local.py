def flow(fn):
    return fn


@flow
def not_a_flow(): ...
