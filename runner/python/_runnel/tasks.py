"""The task decorator."""
from . import retry, signature
from .work import (
    Work,
    as_state,
    as_state_async,
    new_run,
    templated,
    unwrapped,
    unwrapped_async,
)

# Accepted and without effect: no result store is kept, so nothing is ever found
# in a cache and each call computes, which is what a cache may do at any time.
CACHE_OPTIONS = (
    "cache_policy",
    "cache_key_fn",
    "cache_expiration",
    "refresh_cache",
    "persist_result",
    "result_storage",
    "result_storage_key",
    "result_serializer",
    "cache_result_in_memory",
    "viz_return_value",
)


class Task(Work):
    """A function whose call is a task run: with retries, a timeout, a name in the log."""

    kind = "task"
    options = dict(
        dict.fromkeys(CACHE_OPTIONS),
        name=None,
        description=None,
        version=None,
        tags=None,
        task_run_name=None,
        retries=0,
        retry_delay_seconds=0,
        retry_jitter_factor=None,
        retry_condition_fn=None,
        timeout_seconds=None,
        log_prints=None,
        **dict.fromkeys(Work.hooks)
    )

    def __init__(self, fn, **given):
        super().__init__(fn, **given)
        self.tags = set(self.tags or ())
        self.task_key = "%s.%s" % (self.__module__, self.__qualname__)

    def __class_getitem__(cls, _):
        return cls  # Task[P, R] in an annotation

    def policy(self):
        return retry.Policy(
            self.retries,
            self.retry_delay_seconds,
            self.retry_jitter_factor,
            self.retry_condition_fn,
            self.timeout_seconds,
        )

    def new_run(self, args, kwargs):
        try:
            parameters = signature.bind_call(self.fn, args, kwargs)
        except TypeError:
            parameters = {}
        run = new_run("task", self, None, parameters)
        run.tags |= self.tags
        run.name = templated(self.task_run_name, "%s-%d" % (self.name, count(run, self)), parameters)
        return run

    def __call__(self, *args, return_state=False, wait_for=None, **kwargs):
        """Runs the task here. Futures among the arguments are waited for."""
        args, kwargs = ready(args, kwargs, wait_for)
        run = self.new_run(args, kwargs)
        if self.isasync:
            coroutine = retry.execute_async(self, run, args, kwargs, self.policy())
            return as_state_async(coroutine) if return_state else unwrapped_async(coroutine)
        call = lambda: retry.execute(self, run, args, kwargs, self.policy())
        return as_state(call) if return_state else unwrapped(call())

    def submit(self, *args, return_state=False, wait_for=None, **kwargs):
        """Runs the task in a thread of the flow's task runner; gives a future."""
        import contextvars

        from . import futures

        run = self.new_run(args, kwargs)
        future = futures.PrefectFuture(run)
        mine = contextvars.copy_context()

        def job():
            try:
                future.set(mine.run(self.run_in_thread, run, args, kwargs, wait_for))
            except BaseException as error:
                complain(run, error)
                future.set(error=error)

        futures.pool().submit(job, future)
        if return_state:
            future.wait()
            return future.state
        return future

    def run_in_thread(self, run, args, kwargs, wait_for):
        args, kwargs = ready(args, kwargs, wait_for)
        if not self.isasync:
            return retry.execute(self, run, args, kwargs, self.policy())
        import asyncio

        return asyncio.run(retry.execute_async(self, run, args, kwargs, self.policy()))

    def map(self, *args, return_state=False, wait_for=None, **kwargs):
        """Submits the task once for each set of items of the given iterables."""
        from .futures import PrefectFutureList
        from .mapping import calls

        submitted = [
            self.submit(*each_args, wait_for=wait_for, **each_kwargs)
            for each_args, each_kwargs in calls(args, kwargs)
        ]
        if return_state:
            for future in submitted:
                future.wait()
            return [future.state for future in submitted]
        return PrefectFutureList(submitted)

    def instead(self, *_, **__):
        raise RuntimeError(
            "runnel has no background task workers: call the task, submit it in a flow, "
            "or deploy a flow with `runnel deploy`"
        )

    delay = apply_async = serve = instead


def task(fn=None, **options):
    """Makes a function a task: @task or @task(retries=3, ...)."""
    return Task.decorate(fn, options)


def count(run, work):
    """How many runs of this task the flow run had before: names are task-0, task-1."""
    owner = run.flow_run() or run
    counts = owner.__dict__.setdefault("counts", {})
    counts[work.name] = counts.get(work.name, -1) + 1
    return counts[work.name]


def ready(args, kwargs, wait_for):
    """The arguments with results in the place of futures."""
    from . import futures

    futures.wait_for_upstream((args, kwargs, wait_for or ()))
    return futures.resolved(args), futures.resolved(kwargs)


def complain(run, error):
    """Says in the log that a submitted task failed: nobody may ask for its result."""
    from .logs import of_run
    from .outcome import last_line

    of_run(run).error("failed: %s", last_line(error))


def exponential_backoff(backoff_factor):
    """For retry_delay_seconds: waits of backoff_factor * 1, 2, 4, 8, … seconds."""
    return lambda retries: [backoff_factor * 2**at for at in range(retries)]


def task_input_hash(context, arguments):
    """A key of the task's code and its arguments, or None where they cannot be hashed."""
    import hashlib
    import pickle

    code = getattr(getattr(context.task, "fn", None), "__code__", None)
    try:
        blob = pickle.dumps((context.task.task_key, code and code.co_code, arguments))
    except Exception:
        return None
    return hashlib.sha256(blob).hexdigest()[:32]
