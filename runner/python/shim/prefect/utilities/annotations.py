"""prefect.utilities.annotations"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "allow_failure": "_runnel.annotations",
        "quote": "_runnel.annotations",
        "unmapped": "_runnel.annotations",
    },
)
