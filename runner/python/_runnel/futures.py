"""Tasks that run in threads, and their results to come."""
from . import context
from .annotations import allow_failure, quote
from .errors import UnfinishedRun

# Threads of a flow whose task runner sets no limit: Prefect's number.
MAX_THREADS = 250


class PrefectFuture:
    """The result to come of a submitted task."""

    def __init__(self, run):
        import threading

        self._run = run
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._callbacks = []
        self._value = None
        self._error = None

    def __class_getitem__(cls, _):
        return cls  # PrefectFuture[int] in an annotation

    @property
    def task_run_id(self):
        import uuid

        return uuid.UUID(self._run.id)

    @property
    def name(self):
        return self._run.name

    @property
    def state(self):
        """The state as it is now."""
        from .states import Completed, State, of_exception

        if not self._done.is_set():
            return State("RUNNING" if self._run.run_count else "PENDING")
        if self._error is not None:
            return of_exception(self._error)
        return self._value if isinstance(self._value, State) else Completed(data=self._value)

    def done(self):
        return self._done.is_set()

    def wait(self, timeout=None):
        """Waits until the task is done, or for timeout seconds; raises nothing."""
        if not self._done.is_set():
            with lent_place():
                self._done.wait(timeout)

    def result(self, timeout=None, raise_on_failure=True):
        """The task's result; its exception is raised, or returned if not raise_on_failure."""
        self.wait(timeout)
        if not self._done.is_set():
            raise TimeoutError("task run %r is not done after %g seconds" % (self.name, timeout))
        if self._error is None:
            from .work import unwrapped

            return unwrapped(self._value)
        if raise_on_failure:
            raise self._error
        return self._error

    def add_done_callback(self, function):
        """Calls function(future) when the task is done; at once if it is."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(function)
                return
        function(self)

    def set(self, value=None, error=None):
        with self._lock:
            self._value, self._error = value, error
            self._done.set()
        for function in self._callbacks:
            function(self)

    def __await__(self):
        # Prefect 2's `await task.submit()`: what it gave was the future.
        return self
        yield

    def __repr__(self):
        return "<PrefectFuture %r %s>" % (self.name, self.state.name)


class PrefectFutureList(list):
    """What map returns."""

    def wait(self, timeout=None):
        wait(self, timeout)

    def result(self, timeout=None, raise_on_failure=True):
        """All results, in order."""
        import time

        end = None if timeout is None else time.monotonic() + timeout
        left = lambda: None if end is None else max(end - time.monotonic(), 0)
        return [future.result(left(), raise_on_failure) for future in self]


class Pool:
    """Threads that run jobs in the order in which they came, some at a time."""

    def __init__(self, limit=None, one_by_one=False):
        import threading

        self.limit = limit or MAX_THREADS
        self.one_by_one = one_by_one
        self.threading = threading
        self.lock = threading.Lock()
        self.jobs = []
        self.running = 0
        self.futures = []

    def submit(self, job, future):
        with self.lock:
            self.jobs.append(job)
            self.futures = [other for other in self.futures if not other.done()] + [future]
        self.start_threads()
        if self.one_by_one:
            future.wait()

    def start_threads(self):
        with self.lock:
            new = min(self.limit - self.running, len(self.jobs))
            self.running += max(new, 0)
        for _ in range(new):
            self.threading.Thread(target=self.work, name="runnel-task").start()

    def work(self):
        _here.pool = self
        while True:
            with self.lock:
                if not self.jobs or self.running > self.limit:
                    self.running -= 1
                    return
                job = self.jobs.pop(0)
            job()

    def lend(self, places):
        with self.lock:
            self.limit += places
        self.start_threads()

    def wait_for_all(self):
        # A task may submit further ones while we wait.
        while True:
            with self.lock:
                waiting = [future for future in self.futures if not future.done()]
            if not waiting:
                return
            for future in waiting:
                future.wait()


class Here:
    """The pool of the current thread."""

    def __init__(self):
        self._local = None

    @property
    def pool(self):
        return getattr(self._local, "pool", None) if self._local else None

    @pool.setter
    def pool(self, pool):
        if self._local is None:
            self._local = pool.threading.local()
        self._local.pool = pool


_here = Here()


class lent_place:
    """A thread of a pool that waits for another task lets one more run, so that
    tasks that wait for tasks cannot fill the pool and wait for ever."""

    def __enter__(self):
        self.pool = _here.pool
        if self.pool:
            self.pool.lend(1)

    def __exit__(self, *_):
        if self.pool:
            self.pool.lend(-1)


_default_pool = []


def pool():
    """The pool of the current flow run; outside of one, of the process."""
    run = context.current()
    run = run.flow_run() if run else None
    if run is None:
        if not _default_pool:
            _default_pool.append(Pool())
        return _default_pool[0]
    if run.pool is None:
        from .runners import pool_of

        run.pool = pool_of(getattr(run.work, "task_runner", None))
    return run.pool


def inside(value, found=None):
    """The futures and marks in value, through lists, tuples, sets and dicts."""
    found = [] if found is None else found
    if isinstance(value, (PrefectFuture, allow_failure, quote)):
        found.append(value)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            inside(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            inside(item, found)
    return found


def resolved(value):
    """The value with each future in it replaced by its result."""
    if not inside(value):
        return value
    if isinstance(value, quote):
        return value.value
    if isinstance(value, PrefectFuture):
        return value.result()
    if isinstance(value, allow_failure):
        inner = value.value
        return inner.result(raise_on_failure=False) if isinstance(inner, PrefectFuture) else resolved(inner)
    if isinstance(value, dict):
        return {name: resolved(item) for name, item in value.items()}
    items = [resolved(item) for item in value]
    if hasattr(value, "_fields"):
        return type(value)(*items)
    return items if isinstance(value, PrefectFutureList) else type(value)(items)


def wait_for_upstream(values):
    """Waits for the futures in values; raises where one failed that may not."""
    for item in inside(values):
        future = item.value if isinstance(item, allow_failure) else item
        if not isinstance(future, PrefectFuture):
            continue
        future.wait()
        if item is future and not future.state.is_completed():
            raise UnfinishedRun("it never ran: task run %r, which it needs, failed" % future.name)


def wait(futures, timeout=None):
    """Waits for all; gives (done, not_done), two sets."""
    import collections
    import time

    end = None if timeout is None else time.monotonic() + timeout
    futures = list(futures)
    for future in futures:
        future.wait(None if end is None else max(end - time.monotonic(), 0))
    done = {future for future in futures if future.done()}
    kind = collections.namedtuple("DoneAndNotDoneFutures", "done not_done")
    return kind(done, set(futures) - done)


def as_completed(futures, timeout=None):
    """Gives each future when it is done."""
    import queue
    import time

    ready = queue.SimpleQueue()
    futures = list(futures)
    for future in futures:
        future.add_done_callback(ready.put)
    end = None if timeout is None else time.monotonic() + timeout
    for at in range(len(futures)):
        try:
            with lent_place():
                future = ready.get(timeout=None if end is None else max(end - time.monotonic(), 0))
        except queue.Empty:
            raise TimeoutError("%d of %d tasks are not done" % (len(futures) - at, len(futures))) from None
        yield future
