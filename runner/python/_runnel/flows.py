"""The flow decorator."""
from . import retry, signature
from .names import two_words
from .work import (
    Work,
    as_state,
    as_state_async,
    inherited,
    new_run,
    templated,
    unwrapped,
    unwrapped_async,
)

# Results and caches: the built-in prefect keeps no result store, so nothing is
# ever found in a cache and each run computes. That is what these options allow.
STORE_OPTIONS = ("persist_result", "result_storage", "result_serializer", "cache_result_in_memory")


class Flow(Work):
    """A function whose call is a flow run."""

    kind = "flow"
    hooks = Work.hooks + ("on_cancellation", "on_crashed")
    options = dict(
        dict.fromkeys(STORE_OPTIONS),
        name=None,
        description=None,
        version=None,
        flow_run_name=None,
        retries=0,
        retry_delay_seconds=0,
        retry_jitter_factor=None,
        retries_on_crash=0,
        timeout_seconds=None,
        log_prints=None,
        validate_parameters=True,
        task_runner=None,
        **dict.fromkeys(hooks)
    )

    def __class_getitem__(cls, _):
        return cls  # Flow[P, R] in an annotation

    def name_of(self, fn):
        return super().name_of(fn).replace("_", "-")

    @property
    def should_validate_parameters(self):
        return self.validate_parameters

    def policy(self):
        return retry.Policy(
            self.retries, self.retry_delay_seconds, self.retry_jitter_factor, timeout=self.timeout_seconds
        )

    def __call__(self, *args, return_state=False, wait_for=None, **kwargs):
        """Runs the flow here, with its retries, inside the run that calls it."""
        if wait_for:
            resolve(wait_for)
        bound, values = self.bound(resolve(args), resolve(kwargs))
        run = new_run("flow", self, None, values)
        run.name = templated(self.flow_run_name, two_words(), values)
        if self.isasync:
            coroutine = self.in_pool_async(run, retry.execute_async(self, run, *bound, self.policy()))
            return as_state_async(coroutine) if return_state else unwrapped_async(coroutine)

        def call():
            return self.in_pool(run, lambda: retry.execute(self, run, *bound, self.policy()))

        return as_state(call) if return_state else unwrapped(call())

    def bound(self, args, kwargs):
        """The arguments of a call with types made right, and its values by name."""
        try:
            values = signature.bind_call(self.fn, args, kwargs)
        except TypeError:
            return (args, kwargs), {}  # the call itself will say what is wrong with it
        if self.validate_parameters:
            bound = signature.bind_values(self.fn, values)
            return (bound.args, bound.kwargs), bound.by_name
        return (args, kwargs), values

    def run_outer(self, given, run):
        """The flow run that runnel started: the runner does retries and timeout."""
        bound = signature.bind(self.fn, given, convert=self.validate_parameters)
        run.parameters = bound.by_name
        run.log_prints = inherited(self.log_prints, None)
        self.warn(run)
        if self.isasync:
            execution = retry.execute_async(self, run, bound.args, bound.kwargs, retry.Policy())
            return self.in_pool_async(run, execution)
        return self.in_pool(
            run, lambda: retry.execute(self, run, bound.args, bound.kwargs, retry.Policy())
        )

    def in_pool(self, run, call):
        """Tasks submitted in the flow end before the flow does."""
        try:
            return call()
        finally:
            if run.pool is not None:
                run.pool.wait_for_all()

    async def in_pool_async(self, run, coroutine):
        try:
            return await coroutine
        finally:
            if run.pool is not None:
                import asyncio

                # In a thread, so that what the tasks wait for in this loop goes on.
                await asyncio.get_running_loop().run_in_executor(None, run.pool.wait_for_all)

    def warn(self, run):
        for name in ("on_cancellation", "on_crashed"):
            if self._hooks[name]:
                from .logs import of_run

                of_run(run).warning("%s hooks are not called by runnel's built-in prefect", name)

    def failing(self, run, error):
        # The runner starts a new process for a retry: only the last one has failed.
        if run.env is not None and run.attempt <= self.retries:
            return []
        return super().failing(run, error)

    def on_cancellation(self, hook):
        return self.add_hook("on_cancellation", hook)

    def on_crashed(self, hook):
        return self.add_hook("on_crashed", hook)

    def instead(self, *_, **__):
        """serve, deploy and their like: what to do in runnel."""
        raise RuntimeError(instead_of_serving(self))

    serve = deploy = to_deployment = from_source = instead


def instead_of_serving(flow=None):
    place = "flows/file.py:function"
    if flow is not None:
        import os

        file = getattr(getattr(flow.fn, "__code__", None), "co_filename", "file.py")
        place = "%s:%s" % (os.path.relpath(file), flow.fn.__qualname__)
    return (
        "runnel needs no serve() or deploy(): deploy the flow with "
        "`runnel deploy %s -n NAME -p POOL` and start a worker with "
        "`runnel worker start --pool POOL`" % place
    )


def flow(fn=None, **options):
    """Makes a function a flow: @flow or @flow(name=..., retries=...)."""
    return Flow.decorate(fn, options)


def serve(*flows, **_):
    """Where Prefect serves flows, this says what to do in runnel."""
    raise RuntimeError(instead_of_serving(getattr(flows[0], "flow", flows[0]) if flows else None))


deploy = serve


def resolve(value):
    from . import futures

    return futures.resolved(value)
