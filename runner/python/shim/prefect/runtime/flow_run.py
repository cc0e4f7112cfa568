"""prefect.runtime.flow_run"""
from _runnel import shim, views

__getattr__, __dir__ = shim.values(__name__, views.FLOW_RUN, views.flow_run_value)
