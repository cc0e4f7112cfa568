type X = int
type Y[T, *Ts, **P] = dict[T, tuple[*Ts]]
type Z[T: (int, str) = int, *U = *tuple[int, str], **Q = [int]] = list[T]
def a[T: int, *Ts, **P](x: T, *args: *Ts) -> T:
    """Doc."""
class B[T](A[T], metaclass=M):
    def m[U](self, u: U): ...
def c(x=f"{f"{f"{1}"}"}", y=f"{"\n".join(a)}", z=f"{a["b"]}"): ...
def d(x=f"{
    a  # why
    + b
}"): ...
def e(x=f"{a:{b:{c}}}", y=f"{x:{"a"}}", z=f'{x!r:^{width}.{precision}}'): ...
async def f[T](x: T = 1): ...
type = 1
type[int]
type (x)
type.x = 2
