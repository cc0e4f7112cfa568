import prefect as p, prefect
from prefect import flow as f, flow
from functools import partial
job = flow
retrying = flow(retries=3)
part = partial(flow, log_prints=True)

@(f)
def a(): ...

@p.flow(name="n" "m")
@staticmethod
def b(): ...

@x[0].y(lambda q: q, *r, **s)
@job
def c(): ...

@retrying
def d(): ...

@part(name=f"{1}")
async def e(): ...

@prefect.flow
# a comment
def g(): ...

@(lambda fn: fn)
def h(): ...

@w if v else u
def i(): ...

@(z := flow)
def j(): ...
