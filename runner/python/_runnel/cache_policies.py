"""Cache policies. The built-in prefect keeps no results, so with each of them a
task computes, as it does whenever a cache holds nothing; NO_CACHE asks for that."""


class CachePolicy:
    """What a cache key would be made of."""

    def __init__(self, *parts):
        self.parts = parts

    def __add__(self, other):
        return CachePolicy(*self.parts, *other.parts)

    def __sub__(self, names):
        return CachePolicy(*self.parts, "-%s" % (names,))

    def configure(self, **_):
        return self

    def __repr__(self):
        return "CachePolicy(%s)" % ", ".join(map(repr, self.parts))


NO_CACHE = NONE = CachePolicy()
INPUTS = CachePolicy("inputs")
TASK_SOURCE = CachePolicy("task source")
RUN_ID = CachePolicy("run id")
FLOW_PARAMETERS = CachePolicy("flow parameters")
DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
