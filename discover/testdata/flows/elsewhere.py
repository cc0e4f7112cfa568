from metaflow import flow


@flow
def not_ours(): ...
