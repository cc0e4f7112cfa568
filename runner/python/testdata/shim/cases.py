"""Checks of the built-in prefect. Each check_* runs in a run of its own flow;
all_of runs them and tells which failed and why."""
import asyncio
import contextlib
import io
import threading
import time
import traceback
from datetime import date, timedelta
from pathlib import Path
from typing import List, Optional

import prefect
import prefect.runtime
from prefect import allow_failure, flow, get_run_logger, tags, task, unmapped
from prefect.cache_policies import INPUTS, NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext, get_run_context
from prefect.exceptions import (
    FailedRun,
    MappingLengthMismatch,
    MappingMissingIterable,
    MissingContextError,
    UnfinishedRun,
)
from prefect.futures import PrefectFuture, as_completed, wait
from prefect.logging import get_logger
from prefect.runtime import deployment, flow_run, task_run
from prefect.states import Completed, Failed, State
from prefect.task_runners import ConcurrentTaskRunner, SequentialTaskRunner, ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff, task_input_hash
from prefect.utilities.annotations import quote


def raises(kind, call, text=""):
    try:
        call()
    except kind as error:
        assert text in str(error), str(error)
        return error
    raise AssertionError("%s was not raised" % kind.__name__)


@contextlib.contextmanager
def log():
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        yield stream


def failing(times, error=ValueError):
    """A function that fails some times and then gives its argument; counts its calls."""
    calls = []

    def work(x=None):
        calls.append(time.monotonic())
        if len(calls) <= times:
            raise error("try %d" % len(calls))
        return x

    return work, calls


@task
def double(x):
    return 2 * x


@task
async def adouble(x):
    await asyncio.sleep(0)
    return 2 * x


def check_task_retries():
    work, calls = failing(2)
    with log() as out:
        assert task(work, retries=2)(5) == 5
    assert len(calls) == 3
    assert "ValueError: try 2; retry 2/2 in 0 seconds" in out.getvalue(), out.getvalue()
    work, calls = failing(2)
    with log():
        raises(ValueError, task(work, retries=1), "try 2")
    assert len(calls) == 2


def check_retry_delays():
    work, calls = failing(2)
    with log():
        task(work, retries=2, retry_delay_seconds=[0.05, 0.15])()
    assert calls[1] - calls[0] >= 0.05 and calls[2] - calls[1] >= 0.15, calls
    assert exponential_backoff(2)(3) == [2, 4, 8]
    work, calls = failing(1)
    with log():
        task(work, retries=1, retry_delay_seconds=lambda retries: [0.05] * retries, retry_jitter_factor=0.5)()
    assert calls[1] - calls[0] >= 0.05


def check_retry_condition():
    work, calls = failing(3)
    seen = []

    def only_once(work, run, state):
        seen.append((work.name, run.run_count, state.is_failed(), str(state.result(raise_on_failure=False))))
        return len(seen) < 2

    with log():
        raises(ValueError, task(work, retries=5, retry_condition_fn=only_once), "try 2")
    assert seen == [("work", 1, True, "try 1"), ("work", 2, True, "try 2")], seen


def check_subflow_retries():
    work, calls = failing(2)
    with log() as out:
        assert flow(work, retries=2)(7) == 7
    assert len(calls) == 3 and "Flow run '" in out.getvalue()


def check_async_retries():
    calls = []

    @task(retries=1)
    async def work():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("first")
        return "second"

    @flow
    async def outer():
        return await work()

    with log():
        assert asyncio.run(outer()) == "second"


def check_submit_and_map():
    @flow
    def outer():
        one = double.submit(2)
        assert isinstance(one, PrefectFuture)
        two = double.submit(one)
        assert two.result() == 8 and one.state.is_completed() and one.done()
        assert double.map([1, 2, one]).result() == [2, 4, 8]
        assert double.map(double.map([1, 2])).result() == [4, 8]
        assert adouble.submit(3).result() == 6
        add = task(lambda a, b=0: a + b, name="add")
        assert add.map([1, 2], b=unmapped(10)).result() == [11, 12]
        assert add.map([1, 2], [3, 4]).result() == [4, 6]
        assert add.map([[1], [2]], unmapped([3])).result() == [[1, 3], [2, 3]]
        assert add.map(["a", "b"], "c").result() == ["ac", "bc"]
        raises(MappingMissingIterable, lambda: add.map(1))
        raises(MappingLengthMismatch, lambda: add.map([1], [1, 2]))
        return double(one) + double.submit(1, return_state=True).result()

    assert outer() == 10


def check_futures():
    gate = threading.Event()

    @flow
    def outer():
        slow = task(lambda: gate.wait(20) and "slow", name="slow").submit()
        raises(TimeoutError, lambda: slow.result(timeout=0.01), "is not done")
        quick = double.submit(1)
        in_order = as_completed([slow, quick])
        assert next(in_order) is quick
        assert wait([slow, quick], timeout=0.01).not_done == {slow}
        gate.set()
        assert next(in_order).result() == "slow" and list(in_order) == []
        done, not_done = wait([slow, quick])
        assert len(done) == 2 and not not_done
        called = []
        quick.add_done_callback(called.append)
        assert called == [quick]

    outer()


def check_failed_upstream():
    def bad():
        raise ValueError("bad")

    @flow
    def outer():
        future = task(bad).submit()
        down = double.submit(future)
        raises(UnfinishedRun, down.result, "needs, failed")
        raises(ValueError, future.result, "bad")
        assert isinstance(future.result(raise_on_failure=False), ValueError)
        kind = task(lambda x: type(x).__name__, name="kind")
        assert kind.submit(allow_failure(future)).result() == "ValueError"
        assert kind.submit(1, wait_for=[allow_failure(future)]).result() == "int"
        raises(UnfinishedRun, kind.submit(1, wait_for=[future]).result)
        assert kind(quote([1])) == "list"

    with log() as out:
        outer()
    assert "ERROR   | Task run 'bad-0' - failed: ValueError: bad" in out.getvalue(), out.getvalue()


def check_task_runners():
    for runner, limit in (
        (ThreadPoolTaskRunner(max_workers=2), 2),
        (ConcurrentTaskRunner(), 6),
        (ConcurrentTaskRunner, 6),
        (SequentialTaskRunner(), 1),
    ):
        lock, running, most = threading.Lock(), [0], [0]
        together = threading.Barrier(limit)

        @task
        def busy():
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            together.wait(20)  # raises unless as many as the limit run at once
            with lock:
                running[0] -= 1

        @flow(task_runner=runner)
        def fan_out():
            return [busy.submit() for _ in range(6)]

        futures = fan_out()
        # The flow waits for all, also for those whose results it never asks for.
        assert all(future.state.is_completed() for future in futures), futures
        assert most[0] == limit and running[0] == 0, (runner, most)


def check_nested_submits_do_not_lock_up():
    @task
    def parent(depth):
        return 1 + (parent.submit(depth - 1).result() if depth else 0)

    assert flow(lambda: parent.submit(8).result(), name="nest", task_runner=ThreadPoolTaskRunner(max_workers=1))() == 9


def check_timeouts():
    @task(timeout_seconds=0.1)
    def slow():
        time.sleep(5)

    @task(timeout_seconds=0.1)
    def busy():
        while True:
            pass

    @task(timeout_seconds=0.1)
    async def later():
        await asyncio.sleep(5)

    raises(TimeoutError, slow, "timed out after 0.1 seconds")
    with log():
        raises(TimeoutError, flow(lambda: busy.submit().result(), name="f"), "timed out")
    raises(TimeoutError, lambda: asyncio.run(later()), "timed out")
    assert slow(return_state=True).name == "TimedOut"
    raises(TimeoutError, flow(lambda: time.sleep(5), name="f", timeout_seconds=0.1))
    # The inner limit does not end the outer one.
    inner = task(lambda: None, name="inner", timeout_seconds=1)
    raises(TimeoutError, flow(lambda: inner() or time.sleep(5), name="f", timeout_seconds=0.2))


def check_log_prints():
    @task
    def inside():
        print("from", "task", sep="-")

    @flow(log_prints=True, flow_run_name="run-{n}")
    def loud(n):
        print("a", 1)
        inside()
        task(lambda: print("quiet"), name="quiet", log_prints=False)()
        inside.submit().result()
        print("to a file", file=other)

    other = io.StringIO()
    with log() as err, contextlib.redirect_stdout(io.StringIO()) as out:
        loud(5)
        print("after")
    lines = err.getvalue().splitlines()
    assert [line.split(" | ", 1)[1] for line in lines] == [
        "INFO    | Flow run 'run-5' - a 1",
        "INFO    | Task run 'inside-0' - from-task",
        "INFO    | Task run 'inside-1' - from-task",
    ], lines
    assert out.getvalue() == "quiet\nafter\n" and other.getvalue() == "to a file\n"


def check_loggers():
    with log() as err:
        flow(lambda: get_run_logger().warning("x=%s", 1, extra={"a": 1}), name="f", flow_run_name="here")()
        get_logger("mine").info("plain")
        get_logger().debug("too quiet")
    first, second = err.getvalue().splitlines()
    assert first[2] == ":" and first[12:] == " | WARNING | Flow run 'here' - x=1", first
    assert second.endswith("INFO    | prefect.mine - plain"), second


def check_hooks():
    seen = []

    def hook(work, run, state):
        seen.append((work.name, type(run.id).__name__, state.type))

    async def ahook(work, run, state):
        seen.append("async " + state.name)

    def bad(work, run, state):
        raise RuntimeError("hook")

    good = flow(lambda: 1, name="good", on_running=[hook], on_completion=[bad, hook, ahook], on_failure=[hook])
    with log() as err:
        assert good() == 1
    assert "hook 'bad' raised RuntimeError: hook" in err.getvalue()
    assert seen == [("good", "UUID", "RUNNING"), ("good", "UUID", "COMPLETED"), "async Completed"], seen

    @task
    def fails():
        raise ValueError("x")

    fails.on_failure(hook)
    del seen[:]
    raises(ValueError, fails)
    assert seen == [("fails", "UUID", "FAILED")], seen


def check_states():
    assert flow(lambda: Completed(message="fine"), name="f")() is None
    assert task(lambda: Completed(data=4), name="t")() == 4
    raises(FailedRun, flow(lambda: Failed(message="no good"), name="f"), "no good")
    state = flow(lambda: Failed(message="no good"), name="f")(return_state=True)
    assert isinstance(state, State) and state.is_failed() and state.message == "no good"
    state = double("a", return_state=True)
    assert state.is_completed() and state.result() == "aa"
    state = task(lambda: 1 / 0, name="t")(return_state=True)
    assert state.message == "ZeroDivisionError: division by zero"
    raises(ZeroDivisionError, state.result)


def check_contexts_and_runtime():
    @task(tags=["own"])
    def inner(x):
        context = get_run_context()
        assert isinstance(context, TaskRunContext) and context.task.name == "inner"
        assert FlowRunContext.get().flow.name == "my-outer"
        assert task_run.name == context.task_run.name == "inner-0" and task_run.parameters == {"x": 1}
        assert set(task_run.tags) == {"own", "around"}
        return flow_run.name

    @flow
    def my_outer(a, b=2):
        context = get_run_context()
        assert isinstance(context, FlowRunContext) and context.parameters == {"a": 1, "b": 2}
        assert flow_run.parameters == {"a": 1, "b": 2} and flow_run.flow_name == "my-outer"
        assert flow_run.parent_flow_run_id == prefect.runtime.flow_run.root_flow_run_id != flow_run.id
        assert str(context.flow_run.id) == flow_run.id
        with tags("around"):
            assert inner(1) == flow_run.name
        assert deployment.name == "nightly"

    my_outer(1)


def check_parameters_of_subflows():
    @flow
    def typed(folder: Path, days: List[int], day: "Optional[date]" = None, pause: timedelta = timedelta(1), any=None):
        return [folder, days, day, pause, any]

    thing = object()
    assert typed("a", ["1"], day="2024-01-02", pause=5, any=thing) == [
        Path("a"), [1], date(2024, 1, 2), timedelta(seconds=5), thing]
    assert typed.with_options(validate_parameters=False)("a", [], thing)[:3] == ["a", [], thing]
    error = raises(Exception, lambda: typed(5, []), "parameter 'folder': expected Path")
    assert type(error).__name__ == "ParameterError"
    raises(TypeError, lambda: typed(), "missing")
    raises(TypeError, lambda: typed(1, 2, 3, 4, 5, 6))


def check_options():
    changed = double.with_options(name="other", retries=3)
    assert (changed.name, changed.retries, double.name, double.retries) == ("other", 3, "double", 0)
    assert changed.with_options(retries=0).retries == 0 and changed.fn is double.fn
    assert flow(lambda: 1, name="n", description="d").description == "d"

    @flow
    def some_name():
        """What it does."""

    assert (some_name.name, some_name.description, some_name.__name__) == ("some-name", "What it does.", "some_name")
    raises(TypeError, lambda: task(lambda: 1, retires=3), "no task option 'retires'")
    task(lambda: 1, cache_key_fn=task_input_hash, cache_expiration=timedelta(1), cache_policy=NO_CACHE + INPUTS)
    for call in (some_name.serve, some_name.deploy, lambda: prefect.serve(some_name)):
        raises(RuntimeError, call, "runnel deploy")
    raises(RuntimeError, double.delay, "runnel deploy")


def check_methods():
    class Jobs:
        factor = 3

        @task
        def times(self, x):
            return self.factor * x

        @staticmethod
        @flow
        def fixed(x):
            return x

        @flow
        @classmethod
        def of_class(cls, x):
            return cls.factor * x

        @flow
        @staticmethod
        def other(x):
            return x

    assert Jobs().times(2) == 6 and Jobs.fixed(1) == 1 and Jobs.of_class(2) == 6
    assert Jobs.other(1) == 1 and Jobs().other(1) == 1
    assert Jobs().times.submit(2).result() == 6


def check_missing_names():
    def get_client():
        from prefect import get_client

    def artifacts():
        from prefect.artifacts import create_markdown_artifact

    def backoff():
        from prefect.tasks import no_such_name

    def dotted():
        import prefect.deployments.runner

    for call, name in (
        (get_client, "prefect.get_client"),
        (artifacts, "prefect.artifacts"),
        (backoff, "prefect.tasks.no_such_name"),
        (dotted, "prefect.deployments"),
    ):
        error = raises(ImportError, call, "built-in prefect has no %s." % name)
        assert "-m pip install prefect" in str(error) and "prefect: installed" in str(error)
    raises(AttributeError, lambda: prefect.get_client, "has no prefect.get_client")
    raises(AttributeError, lambda: flow_run.ui_url, "has no prefect.runtime.flow_run.ui_url")
    assert not hasattr(prefect, "get_client") and prefect.runtime.flow_run.name


def check_outside_of_a_run():
    from _runnel import context

    before = context._process_run
    context.set_process_run(None)
    try:
        raises(MissingContextError, get_run_logger)
        raises(RuntimeError, get_run_context)
        assert flow_run.id is None and flow_run.parameters == {}
        assert double(2) == 4 and double.submit(3).result() == 6
    finally:
        context.set_process_run(before)


def check_runnel_module():
    import runnel

    assert runnel.flow is flow and runnel.task is task
    with log() as err:
        runnel.flow(lambda: runnel.get_run_logger().info("hi"), name="f")()
    assert err.getvalue().endswith(" - hi\n")
    assert set(runnel.__all__) <= set(dir(runnel))


def check_provided():
    """provided.json is what the modules give, no more and no less."""
    import importlib
    import pkgutil

    from _runnel import choose

    told = {name: names for name, names in choose.provided().items() if name != choose.NEEDS_INSTALLED}
    given = {}

    def visit(module):
        given[module.__name__] = sorted(module.__all__)
        for name in module.__all__:
            assert getattr(module, name, None) is not None or module.__name__.startswith("prefect.runtime."), name
        for found in pkgutil.iter_modules(module.__path__, module.__name__ + "."):
            parent, _, name = found.name.rpartition(".")
            assert name in given[parent], "%s is a module that %s does not tell" % (found.name, parent)
            visit(importlib.import_module(found.name))

    visit(prefect)
    assert given == told, (given, told)


def all_of():
    ran, failed = 0, {}
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            ran += 1
            try:
                check()
            except BaseException:
                failed[name] = traceback.format_exc()
    return {"ran": ran, "failed": failed}
