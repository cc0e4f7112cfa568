"""Flows that runnel starts itself, in the environment that it gives them."""
import multiprocessing
import sys
import time

import prefect.runtime
from prefect import flow, get_run_logger, task
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed

tries = []


def tell(work, run, state):
    print("on_failure", state.type, run.name, run.run_count, file=sys.stderr)


@flow(retries=2, retry_delay_seconds=60, on_failure=[tell])
def fails():
    tries.append(1)
    raise ValueError("try %d" % len(tries))


@flow(timeout_seconds=0.05)
def slow():
    time.sleep(0.2)
    return "done"


@flow
def knows(n: int = 2):
    return [
        flow_run.id,
        flow_run.name,
        flow_run.flow_name,
        flow_run.parameters,
        prefect.runtime.flow_run.run_count,
        flow_run.scheduled_start_time,
        deployment.name,
        flow_run.parent_flow_run_id,
    ]


@flow(log_prints=True)
def loud():
    print("printed")


@flow(log_prints=True)
async def aloud():
    print("async")
    return await adouble(3)


@task
async def adouble(x):
    return 2 * x


@task
def double(x):
    return 2 * x


@flow
def says_failed():
    return Failed(message="two rows are bad")


@flow
def says_completed():
    return Completed(message="nothing to do")


@flow
def gives_futures():
    return double.map([1, 2])


@flow(on_cancellation=[tell])
def cancels():
    pass


def square(x):
    return x * x


@flow
def spawns():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(square, [1, 2, 3])


@flow(log_prints=True)
def steps():
    print("step")
    yield 1


class Jobs:
    @staticmethod
    @flow
    def fixed(x: int = 3):
        return x

    @flow
    @classmethod
    def of_class(cls, x: int = 3):
        return "%s %d" % (cls.__name__, x)


def plain_logs():
    get_run_logger().info("from a plain function")
