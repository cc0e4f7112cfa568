"""prefect.runtime: what a run knows about itself."""
from _runnel import shim

__getattr__, __dir__ = shim.module(
    __name__,
    {
        "deployment": "prefect.runtime.deployment",
        "flow_run": "prefect.runtime.flow_run",
        "task_run": "prefect.runtime.task_run",
    },
)
