"""prefect.states"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "Completed": "_runnel.states",
        "Failed": "_runnel.states",
        "State": "_runnel.states",
    },
)
