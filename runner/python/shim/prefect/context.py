"""prefect.context"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "FlowRunContext": "_runnel.views",
        "TaskRunContext": "_runnel.views",
        "get_run_context": "_runnel.views",
        "tags": "_runnel.context",
    },
)
