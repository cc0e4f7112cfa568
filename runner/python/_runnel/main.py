"""The life of one flow process: find, convert, call, write the outcome."""
import os
import sys

# Most flows need all of these; runnel_main.py lets Python keep their bytecode.
from . import NotRunnable, choose, context, flows, jsonable, load, outcome, shim, signature

# The exit code where there is nothing to run, as a shell says "not found". A
# flow that raises ends with 1, one that calls sys.exit(n) with n.
NOT_RUNNABLE = 127


def main(argv):
    """Runs what argv names, writes its outcome file, returns the exit code."""
    outcome.flush_at_exit()
    options = parse(argv)
    record = outcome.Record(options["--outcome"], options["--root"])
    try:
        result = run(options)
        message = outcome.state_message(result)
        if outcome.is_failure(result):
            return record.failed(message or "the flow returned a failed state", "", "")
        record.completed(result, message)
        return 0
    except NotRunnable as error:
        outcome.say("runnel: %s" % error)
        record.crashed(str(error))
        return NOT_RUNNABLE
    except SystemExit as error:
        return record.exited(error.code)
    except KeyboardInterrupt as error:
        # Python ends itself by SIGINT when this leaves the main module.
        sys.excepthook = lambda *_: None
        outcome.say(outcome.text_of(error))
        raise
    except BaseException as error:
        text = outcome.text_of(error)
        outcome.say(text)
        traceback = "" if outcome.is_ours(error) else text
        return record.failed(outcome.last_line(error), outcome.name_of(type(error)), traceback)
    finally:
        outcome.flush()


def parse(argv):
    """Reads --name value pairs. Only runnel calls this, so it is strict and short."""
    options = {"--prefect": "auto", "--root": "."}
    for at in range(0, len(argv) - 1, 2):
        options[argv[at]] = argv[at + 1]
    for name in ("--entrypoint", "--outcome"):
        if name not in options:
            sys.exit("runnel_main.py: %s is missing; this file is started by runnel" % name)
    options["--outcome"] = os.path.abspath(options["--outcome"])
    return options


def run(options):
    """Imports the flow and calls it; returns its result."""
    target = load.find(options["--root"], options["--entrypoint"])
    choose.prefect(options["--prefect"], target)
    given = read_parameters()
    sys.argv[:] = [target.file or target.module]
    function = load.function(target)
    run = context.Run.outer(function, given)
    context.set_process_run(run)
    result = finish(call(function, given, run))
    return outcome.settled(result)


def read_parameters():
    """The object in the file that RUNNEL_PARAMETERS names; none is no parameters."""
    path = os.environ.get("RUNNEL_PARAMETERS")
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise NotRunnable("read the parameters: %s" % error)
    if text.strip() in ("", "{}", "null"):
        return {}
    return load_json(text, path)


def load_json(text, path):
    """Parses text. The json module costs 9 ms, nearly all of it for importing re,
    which only its Python side needs; the C scanner does the work without."""
    try:
        value = scan(text)
    except Exception:
        import json

        try:
            value = json.loads(text)
        except ValueError as error:
            raise NotRunnable("the parameters in %s are not JSON: %s" % (path, error))
    if not isinstance(value, dict):
        raise NotRunnable("the parameters in %s are not a JSON object" % path)
    return value


def scan(text):
    import _json

    class Context:
        strict = True
        object_hook = object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = float
        memo = {}

    value, end = _json.make_scanner(Context)(text, len(text) - len(text.lstrip()))
    if text[end:].strip():
        raise ValueError("text after the value")
    return value


def call(function, given, run):
    """Calls a flow or a plain function with the given parameters."""
    kind = type(function)
    if kind is flows.Flow:
        return function.run_outer(given, run)
    inner = getattr(function, "fn", function)
    if is_foreign_flow(function):
        # The runner does retries and timeout. None would leave them as they are.
        function = function.with_options(retries=0, timeout_seconds=0)
    # The installed Prefect turns values into types by itself.
    itself = kind.__module__.startswith("prefect.") and getattr(function, "should_validate_parameters", True)
    bound = signature.bind(inner, given, convert=not itself)
    return function(*bound.args, **bound.kwargs)


def is_foreign_flow(function):
    """A flow of the installed Prefect, or of a runnel.py in the project."""
    if type(function).__module__.startswith("_runnel."):
        return False  # one of our tasks, called like a function
    return hasattr(function, "with_options") and hasattr(function, "fn")


def finish(result):
    """Runs a coroutine or generator to its end."""
    from _collections_abc import AsyncGenerator, Coroutine, Generator

    if isinstance(result, Coroutine):
        return run_coroutine(result)
    if isinstance(result, AsyncGenerator):
        return run_coroutine(drain(result))
    if isinstance(result, Generator):
        for _ in result:
            pass
        return None
    return result


async def drain(items):
    async for _ in items:
        pass


def run_coroutine(coroutine):
    import asyncio

    async def whole():
        return await coroutine

    return asyncio.run(whole())
