"""Variables and secrets, read and set by the runnel that started the flow."""
import os
import sys

NOT_FOUND, REFUSED = 3, 4


def dispatch(plain, awaited):
    """A static method that gives a coroutine where an event loop runs, as Prefect does."""

    def either(*args, **kwargs):
        events = sys.modules.get("asyncio.events")
        if events is not None and events._get_running_loop() is not None:
            return awaited(*args, **kwargs)
        return plain(*args, **kwargs)

    either.__doc__ = plain.__doc__
    return staticmethod(either)


def later(plain):
    async def awaited(*args, **kwargs):
        import asyncio
        import functools

        call = functools.partial(plain, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(None, call)

    return awaited


def ask(*args, text=None):
    """Runs `runnel variable …`; gives its exit code, stdout and message."""
    import subprocess

    binary = os.environ.get("RUNNEL_BIN")
    if not binary:
        raise RuntimeError("variables are read through runnel, and RUNNEL_BIN does not say where it is: run the flow with runnel")
    done = subprocess.run(
        [binary, "variable", *args], input=text, capture_output=True, encoding="utf-8",
        **({"stdin": subprocess.DEVNULL} if text is None else {})
    )
    message = done.stderr.strip()
    if done.returncode not in (0, NOT_FOUND, REFUSED):
        raise RuntimeError(message or "runnel variable ended with %d" % done.returncode)
    return done.returncode, done.stdout, message.replace("runnel: ", "", 1)


def read(name, *flags):
    """The variable as runnel prints it; None where there is none."""
    import json

    code, out, message = ask("get", "-o", "json", *flags, "--", name)
    if code == NOT_FOUND:
        return None
    if code == REFUSED:
        raise ValueError(error_of(message))
    return json.loads(out)


def error_of(message):
    """What an error object says, with what mends it."""
    import json

    try:
        error = json.loads(message)["error"]
    except (ValueError, KeyError, TypeError):
        return message
    return "\n".join(part for part in (error["message"], error["hint"]) if part)


def get(name, default=None):
    """The value of a variable, with its JSON type; default where there is none."""
    try:
        found = read(name)
    except ValueError as error:
        raise ValueError("%s\nin a flow: Secret.load(%r).get()" % (error, name)) from None
    return default if found is None else found["value"]


def set_value(name, value, tags=None, overwrite=False):
    """Sets a variable to any value that JSON holds."""
    import json

    if not overwrite and read(name) is not None:
        raise ValueError("the variable %r exists already: overwrite=True changes it" % name)
    code, _, message = ask("set", "--", name, "-", text=json.dumps(value))
    if code:
        raise ValueError(message)
    return Variable(name, value, tags)


def unset(name):
    """Removes a variable; False where there was none."""
    if read(name) is None:
        return False
    return ask("delete", "--", name)[0] == 0


class Variable:
    """prefect.variables.Variable"""

    def __init__(self, name, value, tags=None):
        self.name, self.value, self.tags = name, value, list(tags or [])

    aget, aset, aunset = staticmethod(later(get)), staticmethod(later(set_value)), staticmethod(later(unset))
    get, set, unset = dispatch(get, later(get)), dispatch(set_value, later(set_value)), dispatch(unset, later(unset))


class Hidden:
    """A text that does not print itself."""

    def __init__(self, text):
        self._text = text

    def get_secret_value(self):
        return self._text

    def __repr__(self):
        return "SecretStr('**********')"

    def __str__(self):
        return "**********"


def load(name, validate=True, client=None):
    """Reads a secret."""
    found = read(name, "--show")
    if found is None or not found["is_secret"]:
        raise ValueError("there is no secret %s\nset it: runnel variable set %s --secret" % (name, name))
    return Secret(found["value"])


class Secret:
    """prefect.blocks.system.Secret"""

    def __init__(self, value):
        self.value = value if isinstance(value, Hidden) else Hidden(value)

    def get(self):
        return self.value.get_secret_value()

    def __repr__(self):
        return "Secret(value=%r)" % self.value

    aload = staticmethod(later(load))
    load = dispatch(load, later(load))
