"""prefect.runtime.task_run"""
from _runnel import shim, views

__getattr__, __dir__ = shim.values(__name__, views.TASK_RUN, views.task_run_value)
