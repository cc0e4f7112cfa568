"""prefect.variables"""
from _runnel import shim

__getattr__, __dir__ = shim.module(__name__, {"Variable": "_runnel.variables"})
