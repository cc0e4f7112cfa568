"""prefect.utilities"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "annotations": "prefect.utilities.annotations",
    },
)
