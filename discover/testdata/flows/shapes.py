"""Every shape of a flow."""

import functools
import prefect
import prefect as p
from prefect import flow, task
from prefect import flow as f
from runnel import flow as rflow

LIMIT = 3
NAME = "constant name"
job = flow
twice = job
retrying = flow(retries=3, name="from alias")
quiet = functools.partial(flow, log_prints=False)


@flow
def bare():
    """First paragraph
    on two lines.

    Second.
    """


@flow()
def called(): ...


@flow(name="A name", retries=2, retry_delay_seconds=[1, 2.5], timeout_seconds=60, log_prints=True, version="v1")
def options(): ...


@flow(name=NAME, retries=LIMIT, task_runner=make(), **extra)
def dynamic(): ...


@flow(name=f"{NAME}-x", description="Said by the decorator.\n\nMore.")
def unknown_name():
    """Said by the docstring."""


@prefect.flow
def dotted(): ...


@p.flow(log_prints=True)
async def aliased_module(): ...


@f
def aliased(): ...


@twice
def through_aliases(): ...


@retrying
def decorated_by_call(): ...


@retrying(name="own")
def overridden(): ...


@quiet(retries=1)
def by_partial(): ...


@rflow(retries=5)
def from_runnel(): ...


@task
@flow
@functools.cache
def stacked(): ...


@(
    flow(
        name="several lines",
    )
)
def parenthesised(): ...


class Jobs:
    @flow
    def instance(self, x: int): ...

    @staticmethod
    @flow
    def static(x: int): ...

    @classmethod
    @flow
    def of_class(cls, x: int): ...

    class Inner:
        @staticmethod
        @flow
        def deep(): ...


def outer():
    @flow
    def nested(): ...

    class Local:
        @staticmethod
        @flow
        def lost(): ...


if LIMIT:

    @flow
    def in_if(): ...
else:

    @flow
    def in_if(): ...


try:

    @flow
    def in_try(): ...
except ImportError:
    pass

with open("x") as file:

    @flow
    def in_with(): ...


@flow
def twice_defined(): ...


@flow
def twice_defined(x: int): ...


def plain(a: int, b: str = "x"):
    """Plain."""


made = flow(plain)
named = flow(name="made by call")(plain)
derived = options.with_options(name="derived", retries=7)

if __name__ == "__main__":

    @flow
    def guarded(): ...

    options.serve(name="served", cron="0 6 * * *", parameters={"a": 1}, interval=compute())
    bare.with_options(retries=1).deploy("deployed", work_pool_name="pool", tags=["x"])
    serve(made.to_deployment(name="both"))
