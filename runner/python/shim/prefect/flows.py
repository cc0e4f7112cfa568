"""prefect.flows"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "Flow": "_runnel.flows",
        "flow": "_runnel.flows",
    },
)
