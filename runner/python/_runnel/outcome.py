"""The outcome file, the traceback, and a clean end of the process."""
import os
import sys

from . import FOLDER

MAX_TRACEBACK = 32 * 1024  # bytes; its tail, where the exception is
MAX_MODULES = 1000
MAX_MESSAGE = 2000  # characters; it is one line in a table


class Record:
    """Writes the outcome file, once, from this process and no fork of it."""

    def __init__(self, path, root):
        self.path = path
        self.root = os.path.abspath(root)
        self.pid = os.getpid()

    def completed(self, result, message=""):
        from .jsonable import Unfit, encode, short_repr

        parts = ['"state_type":"COMPLETED"']
        if message:
            parts.append('"message":' + encode(message))
        data = getattr(result, "data", None) if is_state(result) else result
        try:
            parts.append('"result":' + encode(data))
        except Unfit:
            parts.append('"result_repr":' + encode(short_repr(data)))
        self.write(parts)

    def failed(self, message, exception, traceback):
        from .jsonable import encode

        tail = traceback.encode("utf-8", "replace")[-MAX_TRACEBACK:].decode("utf-8", "ignore")
        parts = ['"state_type":"FAILED"', '"message":' + encode(message[:MAX_MESSAGE])]
        if exception:
            parts.append('"exception":' + encode(exception))
        if tail:
            parts.append('"traceback":' + encode(tail))
        self.write(parts)
        return 1

    def crashed(self, message):
        from .jsonable import encode

        self.write(['"state_type":"CRASHED"', '"message":' + encode(message[:MAX_MESSAGE])])

    def exited(self, code):
        """The outcome of sys.exit(code), and the exit code that Python gives it."""
        if code is None or code == 0:
            self.completed(None)
            return 0
        if isinstance(code, int):
            self.failed("exited with %d" % code, "SystemExit", "")
            return code & 0xFF or 1
        say(str(code))
        self.failed("exited with 1: %s" % code, "SystemExit", "")
        return 1

    def write(self, parts):
        if os.getpid() != self.pid:
            return
        from .jsonable import encode

        parts.append('"python":' + encode(sys.version.partition(" ")[0]))
        parts.append('"root":' + encode(self.root))
        parts.append('"modules":' + encode(modules(self.root)))
        temporary = "%s.%d.tmp" % (self.path, self.pid)
        try:
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(file, "w", encoding="utf-8", errors="backslashreplace") as out:
                out.write("{" + ",".join(parts) + "}\n")
            os.replace(temporary, self.path)
        except OSError as error:
            say("runnel: write the outcome: %s" % error)


def modules(root):
    """The files below root of what was imported, from there."""
    inside = os.path.join(root, "")
    others = (FOLDER + os.sep, os.path.join(os.path.dirname(os.__file__), ""))
    found = []
    for module in list(sys.modules.values()):
        try:
            # Not by getattr: it would load a lazy module, or run its __getattr__.
            file = object.__getattribute__(module, "__dict__").get("__file__")
        except Exception:
            continue
        if type(file) is not str or not file.startswith(inside) or file.startswith(others):
            continue
        name = file[len(inside):]
        if "site-packages" not in name and "dist-packages" not in name:
            found.append(name)
    return found[:MAX_MODULES]


def is_state(value):
    return type(value).__module__ == "_runnel.states"


def settled(result):
    """The result with futures waited for; several states become one."""
    if "_runnel.futures" in sys.modules:
        result = sys.modules["_runnel.futures"].resolved(result)
    if "_runnel.states" in sys.modules:
        result = sys.modules["_runnel.states"].joined(result)
    return result


def is_failure(result):
    return is_state(result) and not result.is_completed()


def state_message(result):
    return (result.message or "") if is_state(result) else ""


def name_of(cls):
    if cls.__module__ in ("builtins", "__main__") or cls.__module__.startswith("_runnel."):
        return cls.__qualname__
    return "%s.%s" % (cls.__module__, cls.__qualname__)


def last_line(error):
    """ValueError: text, on one line. Of a longer text the first line says most,
    unless it ends in a colon."""
    if is_ours(error):
        return str(error)
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        lines = ["(its text cannot be shown)"]
    first = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    return name_of(type(error)) + (": " + first if first else "")


def is_ours(error):
    """A message to the user of the flow, to whom our frames say nothing."""
    return type(error).__module__ == "_runnel.convert"


def text_of(error):
    """The traceback as Python prints it, without the frames of runnel."""
    if is_ours(error):
        return str(error)
    try:
        import traceback

        shown = traceback.TracebackException(type(error), error, error.__traceback__)
        trim(shown, set())
        return "".join(shown.format()).rstrip("\n")
    except Exception:  # out of memory, too deep, or a __str__ that raises
        return last_line(error)


def trim(shown, seen):
    if shown is None or id(shown) in seen:
        return
    seen.add(id(shown))
    frames = [frame for frame in shown.stack if not is_machinery(frame.filename)]
    while frames and is_asyncio(frames[0].filename):
        frames.pop(0)
    shown.stack[:] = frames
    trim(shown.__cause__, seen)
    trim(shown.__context__, seen)
    for inner in getattr(shown, "exceptions", None) or ():
        trim(inner, seen)


def is_machinery(filename):
    return filename.startswith(FOLDER + os.sep) or filename.startswith("<frozen importlib")


def is_asyncio(filename):
    folder = os.path.dirname(filename)
    return os.path.basename(folder) == "asyncio" or os.path.basename(filename) == "selectors.py"


def say(text):
    try:
        sys.stderr.write(text + "\n")
    except Exception:
        pass  # nobody listens; the outcome file has it


def flush():
    """Flushes both streams. A stream that cannot be flushed is pointed at
    /dev/null, or Python would end with code 120 instead of the flow's."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            silence(stream)


def silence(stream):
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except Exception:
        pass


def flush_at_exit():
    # Registered before anything else, so it runs after all else.
    import atexit

    atexit.register(flush)
