"""prefect.cache_policies"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "CachePolicy": "_runnel.cache_policies",
        "DEFAULT": "_runnel.cache_policies",
        "FLOW_PARAMETERS": "_runnel.cache_policies",
        "INPUTS": "_runnel.cache_policies",
        "NONE": "_runnel.cache_policies",
        "NO_CACHE": "_runnel.cache_policies",
        "RUN_ID": "_runnel.cache_policies",
        "TASK_SOURCE": "_runnel.cache_policies",
    },
)
