"""prefect.tasks"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "Task": "_runnel.tasks",
        "exponential_backoff": "_runnel.tasks",
        "task": "_runnel.tasks",
        "task_input_hash": "_runnel.tasks",
    },
)
