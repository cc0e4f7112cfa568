"""Which flow run and task run the code that asks is in."""
import contextvars
import os
import time

from .names import two_words

_current = contextvars.ContextVar("runnel_run", default=None)
_tags = contextvars.ContextVar("runnel_tags", default=())
_process_run = None


class Run:
    """One flow run or task run in this process."""

    def __init__(self, kind, work, name, parameters, parent=None):
        self.kind = kind  # "flow" or "task"
        self.work = work  # the Flow, the Task or the plain function
        self.name = name
        self.parameters = parameters
        self.parent = parent
        self.run_count = 0
        self.log_prints = False
        self.pool = None  # threads of submitted tasks, made by the first submit
        self.env = None  # of the flow run that runnel started
        self.tags = set(_tags.get())
        self.start_time = time.time()
        self._id = None

    @classmethod
    def outer(cls, work, parameters):
        """The flow run that runnel started this process for."""
        run = cls("flow", work, os.environ.get("RUNNEL_FLOW_RUN_NAME") or two_words(), parameters)
        run.env = os.environ
        return run

    @property
    def id(self):
        """The run's id as text; runnel's own for the run that it started."""
        if self._id is None:
            given = (self.env or {}).get("RUNNEL_FLOW_RUN_ID")
            self._id = given or random_id()
        return self._id

    @property
    def attempt(self):
        """Counts from 1. The runner starts a process per attempt and numbers them."""
        try:
            before = int((self.env or {}).get("RUNNEL_ATTEMPT") or 1) - 1
        except ValueError:
            before = 0
        return before + max(self.run_count, 1)

    @property
    def label(self):
        return "%s run %r" % (self.kind.capitalize(), self.name)

    def flow_run(self):
        """This run or the nearest flow run that it is part of, or None."""
        run = self
        while run is not None and run.kind != "flow":
            run = run.parent
        return run


def current():
    """The innermost run. Threads that a flow starts by itself carry no context;
    in a process that runnel started they belong to its run."""
    return _current.get() or _process_run


def set_process_run(run):
    global _process_run
    _process_run = run


def random_id():
    """A UUID of version 4, without the 5 ms of importing uuid."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return "%s-%s-4%s-%s%s-%s" % (text[:8], text[8:12], text[13:16], variant, text[17:20], text[20:])


class entered:
    """with entered(run): the code inside is in run."""

    def __init__(self, run):
        self.run = run

    def __enter__(self):
        self.token = _current.set(self.run)
        if self.run.log_prints:
            from .logs import patch_print

            patch_print()
        return self.run

    def __exit__(self, *_):
        _current.reset(self.token)


class tags:
    """with tags("a", "b"): runs that begin inside carry these tags."""

    def __init__(self, *new):
        self.new = new

    def __enter__(self):
        self.token = _tags.set(_tags.get() + self.new)
        return set(_tags.get())

    def __exit__(self, *_):
        _tags.reset(self.token)
