"""Exceptions under the names that Prefect's users catch."""


class PrefectException(Exception):
    """The base of those below."""


class MissingContextError(PrefectException, RuntimeError):
    """Something that needs a flow or task run was called outside of one."""


class FailedRun(PrefectException):
    """The result was asked of a run that ended Failed without an exception."""


class UnfinishedRun(PrefectException):
    """The result was asked of a run that has none, such as one that never
    began because a task it needed failed."""


class MappingLengthMismatch(PrefectException):
    """The iterables given to map differ in length."""


class MappingMissingIterable(PrefectException):
    """Nothing given to map can be iterated over."""


# Under the name by which flows import and tracebacks should show them.
for _error in list(globals().values()):
    if isinstance(_error, type):
        _error.__module__ = "prefect.exceptions"
