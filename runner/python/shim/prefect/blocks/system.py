"""prefect.blocks.system"""
from _runnel import shim

__getattr__, __dir__ = shim.module(__name__, {"Secret": "_runnel.variables"})
