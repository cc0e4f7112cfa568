"""States that a flow or task can return to say how it ended."""
from .errors import FailedRun, UnfinishedRun


class State:
    """How a run ended: type and name as in Prefect, a message, and data, which
    is the result or the exception."""

    def __init__(self, type, name=None, message=None, data=None):
        self.type = type
        self.name = name or type.capitalize()
        self.message = message
        self.data = data

    def is_completed(self):
        return self.type == "COMPLETED"

    def is_failed(self):
        return self.type == "FAILED"

    def is_running(self):
        return self.type == "RUNNING"

    def is_pending(self):
        return self.type == "PENDING"

    def is_crashed(self):
        return self.type == "CRASHED"

    def is_cancelled(self):
        return self.type == "CANCELLED"

    def is_scheduled(self):
        return self.type == "SCHEDULED"

    def is_final(self):
        return self.type in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

    def result(self, raise_on_failure=True, **_):
        """The data; the exception is raised, or returned if not raise_on_failure."""
        if self.is_completed():
            return self.data
        if not self.is_final():
            raise UnfinishedRun("the run is %s and has no result yet" % self.name)
        error = self.data if isinstance(self.data, BaseException) else FailedRun(self.message or self.name)
        if raise_on_failure:
            raise error
        return error

    def __repr__(self):
        return "%s(message=%r, type=%s)" % (self.name, self.message, self.type)

    def __eq__(self, other):
        return isinstance(other, State) and vars(self) == vars(other)

    __hash__ = None


def Completed(cls=State, **kwargs):
    """Returned by a flow or task: it went well, with this message or data."""
    return cls("COMPLETED", **kwargs)


def Failed(cls=State, **kwargs):
    """Returned by a flow or task: it failed, with this message."""
    return cls("FAILED", **kwargs)


def of_exception(error):
    """The Failed state of an exception; of a timeout the name is TimedOut."""
    from .outcome import last_line

    name = "TimedOut" if type(error).__name__ == "RunTimedOut" else None
    return State("FAILED", name, last_line(error), error)


def joined(result):
    """One state for a list of them, as Prefect ends a flow that returns several."""
    if not isinstance(result, (list, tuple, set)) or not result:
        return result
    if not all(isinstance(item, State) for item in result):
        return result
    bad = [state for state in result if not state.is_completed()]
    if bad:
        return Failed(message="%d/%d states failed: %s" % (len(bad), len(result), bad[0].message or bad[0].name))
    return Completed(message="All states completed.", data=[state.data for state in result])
