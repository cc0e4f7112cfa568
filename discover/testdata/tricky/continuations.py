from prefect \
  import flow

@flow(name="x",
   retries=2,
)  # why

def a(x, \
      y = 1 \
        + 2,
    *, z: "int"=3) \
    -> int:
    \
    return 1

if 1: \
  pass
\
def b(): pass
