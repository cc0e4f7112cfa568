"""prefect.blocks: of them runnel has Secret."""
from _runnel import shim

__getattr__, __dir__ = shim.module(__name__, {"system": "prefect.blocks.system"})
