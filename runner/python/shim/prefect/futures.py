"""prefect.futures"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "PrefectFuture": "_runnel.futures",
        "PrefectFutureList": "_runnel.futures",
        "as_completed": "_runnel.futures",
        "wait": "_runnel.futures",
    },
)
