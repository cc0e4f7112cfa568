"""What flows may ask about the run that they are in."""
from . import context
from .errors import MissingContextError


class RunView:
    """A flow run or task run as hooks and get_run_context show it."""

    def __init__(self, run, state=None):
        self._run = run
        self.name = run.name
        self.parameters = run.parameters
        self.run_count = run.attempt
        self.state = state
        if run.env is None:  # those of the run that runnel started are not told to its process
            self.tags = sorted(run.tags)

    @property
    def id(self):
        import uuid

        return uuid.UUID(self._run.id)

    @property
    def start_time(self):
        from datetime import datetime, timezone

        return datetime.fromtimestamp(self._run.start_time, timezone.utc)

    @property
    def state_name(self):
        return self.state.name if self.state else "Running"

    @property
    def expected_start_time(self):
        return scheduled_time(self._run) or self.start_time

    @property
    def flow_run_id(self):
        """Of a task run: the flow run that it is part of."""
        import uuid

        owner = self._run.flow_run()
        return uuid.UUID(owner.id) if owner and owner is not self._run else None

    def __repr__(self):
        return "<%s run %r>" % (self._run.kind, self.name)


def view(run, state=None):
    return RunView(run, state)


class RunContext:
    """What get_run_context gives: the run, its flow or task, its parameters."""

    kind = ""

    def __init__(self, run):
        self._run = run
        self.parameters = run.parameters
        self.start_time = view(run).start_time
        setattr(self, run.kind, run.work)
        setattr(self, run.kind + "_run", view(run))

    @classmethod
    def get(cls):
        """The current one, or None."""
        run = context.current()
        if cls.kind == "flow" and run is not None:
            run = run.flow_run()
        return cls(run) if run is not None and run.kind == cls.kind else None


class FlowRunContext(RunContext):
    """Has flow, flow_run, parameters, start_time."""

    kind = "flow"


class TaskRunContext(RunContext):
    """Has task, task_run, parameters, start_time."""

    kind = "task"


def get_run_context():
    """The context of the task run or flow run that the caller is in."""
    found = TaskRunContext.get() or FlowRunContext.get()
    if found is None:
        raise MissingContextError("there is no active flow or task run: get_run_context works inside of one")
    return found


def scheduled_time(run):
    text = (run.env or {}).get("RUNNEL_SCHEDULED_FOR")
    if not text:
        return None
    from datetime import datetime

    from .scalars import Mismatch, to_datetime

    try:
        return to_datetime(datetime, text)
    except Mismatch:
        return None


# What prefect.runtime says. Outside of a run each of them is None, as in Prefect.


def flow_run_value(name):
    run = context.current()
    run = run.flow_run() if run else None
    if run is None:
        return {} if name == "parameters" else None
    return FLOW_RUN[name](run)


def task_run_value(name):
    run = context.current()
    if run is None or run.kind != "task":
        return {} if name == "parameters" else [] if name == "tags" else None
    return TASK_RUN[name](run)


def deployment_value(name):
    import os

    return DEPLOYMENT[name](os.environ.get("RUNNEL_DEPLOYMENT") or "")


def name_of_work(run):
    work = run.work
    plain = getattr(work, "__name__", "flow").replace("_", "-")
    return getattr(work, "name", plain)


def parent_id(run):
    parent = run.parent.flow_run() if run.parent else None
    return parent.id if parent else None


def root_id(run):
    while run.parent is not None:
        run = run.parent
    return run.id


def start_of(run):
    return scheduled_time(run) or view(run).start_time


FLOW_RUN = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "flow_name": name_of_work,
    "parameters": lambda run: dict(run.parameters),
    "run_count": lambda run: run.attempt,
    "scheduled_start_time": start_of,
    "parent_flow_run_id": parent_id,
    "root_flow_run_id": root_id,
}

TASK_RUN = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "task_name": name_of_work,
    "parameters": lambda run: dict(run.parameters),
    "run_count": lambda run: run.attempt,
    "tags": lambda run: sorted(run.tags),
}

# RUNNEL_DEPLOYMENT is flow/name; neither holds a slash.
DEPLOYMENT = {"name": lambda full: full.rpartition("/")[2] or None}
