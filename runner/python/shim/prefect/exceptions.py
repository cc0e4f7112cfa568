"""prefect.exceptions"""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "FailedRun": "_runnel.errors",
        "MappingLengthMismatch": "_runnel.errors",
        "MappingMissingIterable": "_runnel.errors",
        "MissingContextError": "_runnel.errors",
        "PrefectException": "_runnel.errors",
        "UnfinishedRun": "_runnel.errors",
    },
)
