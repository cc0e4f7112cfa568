"""prefect.runtime.deployment"""
from _runnel import shim, views

__getattr__, __dir__ = shim.values(__name__, views.DEPLOYMENT, views.deployment_value)
