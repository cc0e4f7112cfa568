"""What flows and tasks have in common: options, hooks, methods, names."""
from . import context

HINT = "install the real one into this interpreter: %s -m pip install prefect"


def unknown_option(kind, names):
    import sys

    text = "runnel's built-in prefect has no %s option %s; " % (kind, ", ".join(map(repr, names)))
    return TypeError(text + HINT % sys.executable)


class Work:
    """A function with options; calling it makes a run."""

    kind = ""
    options = {}  # name: default
    hooks = ("on_running", "on_completion", "on_failure")

    def __init__(self, fn, **given):
        unknown = [name for name in given if name not in self.options]
        if unknown:
            raise unknown_option(self.kind, unknown)
        self._binds = type(fn) if isinstance(fn, (staticmethod, classmethod)) else None
        fn = getattr(fn, "__func__", fn) if self._binds else fn
        if not callable(fn):
            raise TypeError("@%s is for functions, not %r" % (self.kind, type(fn).__name__))
        self._given = given
        self.fn = fn
        self.__dict__.update({name: given.get(name, default) for name, default in self.options.items()})
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(self, name, getattr(fn, name, None))
        self.__wrapped__ = fn
        self.name = self.name or self.name_of(fn)
        self.description = self.description or (fn.__doc__ or "").strip() or None
        self.isasync = is_async(fn)
        self._hooks = {}
        for name in self.hooks:
            functions = self.__dict__.pop(name, None) or []
            self._hooks[name] = list(functions) if isinstance(functions, (list, tuple)) else [functions]

    def name_of(self, fn):
        return getattr(fn, "__name__", type(fn).__name__)

    @classmethod
    def decorate(cls, fn, given):
        """@flow and @flow(...) alike. None is what an option is when it is not given."""
        given = {name: value for name, value in given.items() if value is not None}
        if fn is None:
            return lambda function: cls(function, **given)
        return cls(fn, **given)

    def with_options(self, **given):
        """A copy with these options; one given as None stays as it was."""
        given = {name: value for name, value in given.items() if value is not None}
        again = dict(self._given, **given)
        for name, functions in self._hooks.items():
            again.setdefault(name, functions)
        fn = self._binds(self.fn) if self._binds else self.fn
        return type(self)(fn, **again)

    def __get__(self, instance, owner=None):
        """As a method: the instance, or the class of a class method, comes first."""
        target = owner if self._binds is classmethod else instance
        if target is None or self._binds is staticmethod:
            return self
        import copy

        bound = copy.copy(self)
        bound.fn = self.fn.__get__(target)
        bound.__wrapped__ = bound.fn
        bound._binds = None
        return bound

    def __repr__(self):
        return "<%s %r>" % (self.kind, self.name)

    # The three decorators that add a hook: @my_flow.on_failure

    def on_completion(self, hook):
        return self.add_hook("on_completion", hook)

    def on_failure(self, hook):
        return self.add_hook("on_failure", hook)

    def on_running(self, hook):
        return self.add_hook("on_running", hook)

    def add_hook(self, name, hook):
        self._hooks[name].append(hook)
        return hook

    # The moments at which hooks are called. Each gives functions to call.

    def starting(self, run):
        if not self._hooks["on_running"]:
            return []
        from .states import State

        return self.calls("on_running", run, State("RUNNING"))

    def completing(self, run, value):
        if type(value).__module__ == "_runnel.states" and not value.is_completed():
            return self.calls("on_failure", run, value)
        if not self._hooks["on_completion"]:
            return []
        from .states import Completed

        return self.calls("on_completion", run, Completed(data=value))

    def failing(self, run, error):
        if not self._hooks["on_failure"]:
            return []
        from .states import of_exception

        return self.calls("on_failure", run, of_exception(error))

    def calls(self, name, run, state):
        from .views import view

        return [guarded(hook, self, view(run, state), state, run) for hook in self._hooks[name]]


def guarded(hook, work, seen, state, run):
    """A call of hook that logs what it raises: a hook does not change how a run ended."""

    def complain(error):
        from .logs import of_run
        from .outcome import last_line

        of_run(run).error("hook %r raised %s", getattr(hook, "__name__", hook), last_line(error))

    async def wait_for(result):
        try:
            await result
        except Exception as error:
            complain(error)

    def call():
        try:
            result = hook(work, seen, state)
        except Exception as error:
            return complain(error)
        return wait_for(result) if hasattr(result, "__await__") else None

    return call


def is_async(fn):
    """Whether fn is an async function: by its flags, since inspect costs 18 ms."""
    while hasattr(fn, "__wrapped__") and not hasattr(fn, "__code__"):
        fn = fn.__wrapped__
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if code is None:
        call = getattr(type(fn), "__call__", None)
        code = getattr(getattr(fn, "func", call), "__code__", None)
    return bool(code and code.co_flags & 0x80)


def unwrapped(value):
    """What a caller gets of a returned state: its data, or its exception raised."""
    return value.result() if type(value).__module__ == "_runnel.states" else value


def as_state(call):
    """The state of a run, for return_state=True."""
    from .states import Completed, State, of_exception

    try:
        value = call()
    except Exception as error:
        return of_exception(error)
    return value if isinstance(value, State) else Completed(data=value)


async def as_state_async(coroutine):
    from .states import Completed, State, of_exception

    try:
        value = await coroutine
    except Exception as error:
        return of_exception(error)
    return value if isinstance(value, State) else Completed(data=value)


async def unwrapped_async(coroutine):
    return unwrapped(await coroutine)


def inherited(own, parent):
    """log_prints: one that is not set is as in the run around."""
    if own is None:
        return bool(parent and parent.log_prints)
    return bool(own)


def new_run(kind, work, name, parameters):
    parent = context.current()
    run = context.Run(kind, work, name, parameters, parent)
    run.log_prints = inherited(work.log_prints, parent)
    return run


def templated(template, name, parameters):
    """A run's name from flow_run_name= or task_run_name=: a format or a function."""
    if template is None:
        return name
    try:
        if callable(template):
            code = getattr(template, "__code__", None)
            return str(template(parameters) if code and code.co_argcount else template())
        return template.format(**parameters)
    except Exception as error:
        raise ValueError("make the run's name from %r: %s" % (template, error)) from error
