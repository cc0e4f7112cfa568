"""Task runners: how many submitted tasks of a flow run at once."""


class ThreadPoolTaskRunner:
    """Each submitted task runs in a thread, at most max_workers at once."""

    def __init__(self, max_workers=None):
        if max_workers is not None and max_workers < 1:
            raise ValueError("max_workers is %r: it must be 1 or more" % max_workers)
        self.max_workers = max_workers

    def __class_getitem__(cls, _):
        return cls

    def duplicate(self):
        return type(self)(self.max_workers)

    def __eq__(self, other):
        return type(self) is type(other) and self.max_workers == other.max_workers

    __hash__ = None


# Prefect 2's name for it.
ConcurrentTaskRunner = ThreadPoolTaskRunner


class SequentialTaskRunner:
    """submit runs the task and returns when it is done."""


def pool_of(runner):
    """The pool for a flow's task_runner: a class or an instance of the above, or none."""
    from .futures import Pool

    if isinstance(runner, type):
        runner = runner()
    if runner is None or isinstance(runner, ThreadPoolTaskRunner):
        return Pool(getattr(runner, "max_workers", None))
    if isinstance(runner, SequentialTaskRunner):
        return Pool(one_by_one=True)
    raise TypeError("runnel's built-in prefect cannot run tasks with %r" % (runner,))
