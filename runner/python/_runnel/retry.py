"""Retries and time limits of tasks and of flows that other flows call."""
import time

from .context import entered


class RunTimedOut(TimeoutError):
    """A run took longer than its timeout_seconds."""


class Policy:
    """How often to try, how long to wait in between, how long one try may take."""

    def __init__(self, retries=0, delay=0, jitter=None, condition=None, timeout=None):
        self.retries = retries or 0
        self.delays = delay(self.retries) if callable(delay) else delay
        self.jitter = jitter
        self.condition = condition
        self.timeout = float(timeout) if timeout else None

    def wait(self, count):
        """Seconds to wait after try number count failed."""
        delays = self.delays or 0
        if isinstance(delays, (list, tuple)):
            delays = delays[min(count, len(delays)) - 1] if delays else 0
        if self.jitter:
            import random

            delays *= 1 + self.jitter * random.random()
        return delays


def execute(work, run, args, kwargs, policy):
    """Calls work.fn in run until it does not raise or has no retry left."""
    with entered(run):
        sync(work.starting(run))
        while True:
            run.run_count += 1
            try:
                with limit(policy.timeout, run):
                    value = work.fn(*args, **kwargs)
                return finished(work, run, value)
            except Exception as error:
                if not again(work, run, policy, error):
                    sync(work.failing(run, error))
                    raise
            time.sleep(policy.wait(run.run_count))


def finished(work, run, value):
    sync(work.completing(run, value))
    return value


async def execute_async(work, run, args, kwargs, policy):
    """The same for an async function."""
    import asyncio

    with entered(run):
        await each(work.starting(run))
        while True:
            run.run_count += 1
            try:
                value = await limit_async(policy.timeout, run, work.fn(*args, **kwargs))
                await each(work.completing(run, value))
                return value
            except Exception as error:
                if not again(work, run, policy, error):
                    await each(work.failing(run, error))
                    raise
            await asyncio.sleep(policy.wait(run.run_count))


def again(work, run, policy, error):
    """Whether to try once more; the log says so."""
    if run.run_count > policy.retries or not wanted(work, run, policy, error):
        return False
    from .logs import of_run
    from .outcome import last_line

    of_run(run).warning(
        "%s; retry %d/%d in %g seconds",
        last_line(error),
        run.run_count,
        policy.retries,
        policy.wait(run.run_count),
    )
    return True


def wanted(work, run, policy, error):
    if policy.condition is None:
        return True
    from .states import of_exception
    from .views import view

    return bool(policy.condition(work, view(run), of_exception(error)))


def sync(hooks):
    """Runs hooks, which are calls that may give a coroutine."""
    for hook in hooks:
        result = hook()
        if hasattr(result, "__await__"):
            import asyncio

            asyncio.run(result)


async def each(hooks):
    for hook in hooks:
        result = hook()
        if hasattr(result, "__await__"):
            await result


class limit:
    """with limit(seconds, run): the code inside is interrupted when time is up.

    In the main thread by SIGALRM, which breaks into a sleep or a read; in any
    other by an exception that arrives when the thread next runs Python code.
    """

    def __init__(self, seconds, run):
        self.seconds = seconds
        self.run = run
        self.watch = None

    def __enter__(self):
        if self.seconds is None:
            return
        import signal
        import threading

        self.signal = signal
        self.in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
        self.start = time.monotonic()
        if self.in_main:
            self.arm()
        else:
            self.watch = Watch(self.seconds, self.interrupt(), threading)

    def interrupt(self):
        text = "%s timed out after %g seconds" % (self.run.label, self.seconds)
        return type("RunTimedOut", (RunTimedOut,), {"__str__": lambda _: text, "__module__": "builtins"})

    def arm(self):
        def ring(*_):
            raise RunTimedOut("%s timed out after %g seconds" % (self.run.label, self.seconds))

        outer, _ = self.signal.getitimer(self.signal.ITIMER_REAL)
        self.outer = outer
        if outer and outer <= self.seconds:
            self.handler = None  # a limit around this one comes first
            return
        self.handler = self.signal.signal(self.signal.SIGALRM, ring)
        self.signal.setitimer(self.signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_):
        if self.seconds is None:
            return
        if self.watch:
            self.watch.stop()
        elif self.handler is not None:
            left = self.outer - (time.monotonic() - self.start) if self.outer else 0
            self.signal.setitimer(self.signal.ITIMER_REAL, 0)
            self.signal.signal(self.signal.SIGALRM, self.handler)
            if self.outer:
                self.signal.setitimer(self.signal.ITIMER_REAL, max(left, 0.001))


class Watch:
    """Raises an exception in the thread that made it, after some seconds."""

    def __init__(self, seconds, exception, threading):
        self.lock = threading.Lock()
        self.over = False
        self.exception = exception
        self.thread = threading.get_ident()
        self.timer = threading.Timer(seconds, self.fire)
        self.timer.daemon = True
        self.timer.start()

    def fire(self):
        import ctypes

        with self.lock:
            if not self.over:
                thread = ctypes.c_ulong(self.thread)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(self.exception))

    def stop(self):
        with self.lock:
            self.over = True
        self.timer.cancel()


async def limit_async(seconds, run, awaitable):
    if seconds is None:
        return await awaitable
    import asyncio

    task = asyncio.ensure_future(awaitable)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except BaseException:  # we are cancelled, and so is what we wait for
        task.cancel()
        raise
    if done:
        return task.result()
    task.cancel()
    await asyncio.wait({task}, timeout=5)  # lets it clean up
    raise RunTimedOut("%s timed out after %g seconds" % (run.label, seconds))
