"""prefect.logging"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "get_logger": "_runnel.logs",
        "get_run_logger": "_runnel.logs",
        "loggers": "prefect.logging.loggers",
    },
)
