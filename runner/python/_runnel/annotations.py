"""Marks around arguments of tasks."""


class Annotation:
    """A value with a mark."""

    def __init__(self, value):
        self.value = value

    def unwrap(self):
        return self.value

    def __repr__(self):
        return "%s(%r)" % (type(self).__name__, self.value)

    def __eq__(self, other):
        return type(self) is type(other) and self.value == other.value

    __hash__ = None


class unmapped(Annotation):
    """For map: the same value for each call, even if it can be iterated over."""


class allow_failure(Annotation):
    """A future whose failure does not keep the task from running: the task
    gets the exception in place of the result."""


class quote(Annotation):
    """A value in which no futures are looked for, such as a large table."""

    unquote = Annotation.unwrap
