"""Flows and tasks: `from runnel import flow, task, get_run_logger`.

runnel puts this module in place when it runs a flow. `flow` and `task` work
with parentheses and without:

    @task(retries=3, retry_delay_seconds=5)
    def fetch(url: str) -> bytes: ...

    @flow
    def nightly(top: int = 10): ...
"""
from _runnel.annotations import allow_failure, unmapped
from _runnel.flows import flow
from _runnel.tasks import task

__all__ = [
    "allow_failure",
    "as_completed",
    "flow",
    "get_run_logger",
    "task",
    "unmapped",
    "wait",
]


def get_run_logger():
    """The logger of the current task run or flow run; its lines go to stderr."""
    from _runnel.logs import get_run_logger as get  # brings in logging: 15 ms

    return get()


def wait(futures, timeout=None):
    """Waits for submitted tasks; gives (done, not_done)."""
    from _runnel.futures import wait as wait_for

    return wait_for(futures, timeout)


def as_completed(futures, timeout=None):
    """Gives each submitted task's future when it is done."""
    from _runnel.futures import as_completed as in_order

    return in_order(futures, timeout)
