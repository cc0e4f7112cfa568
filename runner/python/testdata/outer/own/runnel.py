class Flow:
    def __init__(self, fn, retries=9):
        self.fn, self.retries = fn, retries

    def with_options(self, retries, timeout_seconds):
        return Flow(self.fn, retries)

    def __call__(self, n: int = 0):
        return self.fn() + [self.retries]


def flow(fn):
    return Flow(fn)
