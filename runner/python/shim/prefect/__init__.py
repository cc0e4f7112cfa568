"""The part of Prefect that runnel provides where Prefect is not installed."""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "Flow": "_runnel.flows",
        "Task": "_runnel.tasks",
        "State": "_runnel.states",
        "__version__": "_runnel.version",
        "allow_failure": "_runnel.annotations",
        "blocks": "prefect.blocks",
        "cache_policies": "prefect.cache_policies",
        "context": "prefect.context",
        "deploy": "_runnel.flows",
        "exceptions": "prefect.exceptions",
        "flow": "_runnel.flows",
        "flows": "prefect.flows",
        "futures": "prefect.futures",
        "get_run_logger": "_runnel.logs",
        "logging": "prefect.logging",
        "runtime": "prefect.runtime",
        "serve": "_runnel.flows",
        "states": "prefect.states",
        "tags": "_runnel.context",
        "task": "_runnel.tasks",
        "task_runners": "prefect.task_runners",
        "tasks": "prefect.tasks",
        "unmapped": "_runnel.annotations",
        "utilities": "prefect.utilities",
        "variables": "prefect.variables",
    },
)
