"""prefect.task_runners"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "ConcurrentTaskRunner": "_runnel.runners",
        "SequentialTaskRunner": "_runnel.runners",
        "ThreadPoolTaskRunner": "_runnel.runners",
    },
)
