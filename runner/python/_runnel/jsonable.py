"""A flow's result as JSON, in the form that a reader of JSON would expect.

Written by hand, since importing json costs 9 ms, and because it must stop at
a size: a result may be a whole table in memory.
"""
import sys

MAX_RESULT = 256 * 1024  # bytes of JSON; the outcome is a row, not a file store
MAX_REPR = 500  # characters


class Unfit(Exception):
    """JSON cannot hold the value, or it would be too long."""


def encode(value):
    """The JSON text of value; raises Unfit."""
    pieces = Pieces()
    try:
        write(value, pieces, 0)
    except RecursionError:
        raise Unfit("too deep") from None
    except Unfit:
        raise
    except Exception as error:  # a __str__, a property or a model's own code
        raise Unfit(str(error)) from None
    return "".join(pieces.texts)


class Pieces:
    def __init__(self):
        self.texts = []
        self.size = 0

    def add(self, text):
        self.size += len(text)
        if self.size > MAX_RESULT:
            raise Unfit("over %d bytes" % MAX_RESULT)
        self.texts.append(text)


def quoted(text):
    # A long string is not escaped only to be found too long.
    if len(text) > MAX_RESULT:
        raise Unfit("over %d bytes" % MAX_RESULT)
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json import dumps as encode_basestring_ascii
    return encode_basestring_ascii(text)


def write(value, pieces, depth):
    if depth > 100:
        raise Unfit("too deep, or it holds itself")
    value = natural(value)
    if value is None or value is True or value is False:
        pieces.add({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        pieces.add(quoted(value))
    elif isinstance(value, int):
        pieces.add(int.__repr__(value))
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise Unfit("JSON has no %r" % value)
        pieces.add(float.__repr__(value))
    elif isinstance(value, dict):
        write_object(value, pieces, depth)
    else:
        write_array(value, pieces, depth)


def write_object(value, pieces, depth):
    pieces.add("{")
    comma = ""
    for name, item in value.items():
        pieces.add(comma + quoted(key(name)) + ":")
        write(item, pieces, depth + 1)
        comma = ","
    pieces.add("}")


def write_array(value, pieces, depth):
    pieces.add("[")
    comma = ""
    for item in value:
        pieces.add(comma)
        write(item, pieces, depth + 1)
        comma = ","
    pieces.add("]")


def key(name):
    name = natural(name)
    if isinstance(name, str):
        return name
    if name is None or isinstance(name, bool):
        return {None: "null", True: "true", False: "false"}[name]
    if isinstance(name, (int, float)):
        return repr(name)
    raise Unfit("JSON has no key such as %s" % type(name).__name__)


PLAIN = (str, int, float, bool, type(None), dict, list, tuple)


def natural(value):
    """One step towards JSON: None, bool, number, str, dict, or an iterable."""
    if type(value) in PLAIN:
        return value
    cls = type(value)
    enum = sys.modules.get("enum")
    if enum and isinstance(value, enum.Enum):
        return natural(value.value)
    if isinstance(value, (str, int, float, dict, list)):
        return value
    if isinstance(value, tuple):
        return value._asdict() if hasattr(value, "_asdict") else value
    if isinstance(value, (set, frozenset)):
        return in_order(value)
    if hasattr(cls, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in cls.__dataclass_fields__ if hasattr(value, name)}
    if hasattr(cls, "model_dump"):  # pydantic 2
        return value.model_dump(mode="json")
    if hasattr(cls, "__fields__") and hasattr(cls, "dict"):  # pydantic 1
        return value.dict()
    return known(value, cls)


def known(value, cls):
    for base in cls.__mro__:
        name = "%s.%s" % (base.__module__, base.__qualname__)
        if name in ("datetime.datetime", "datetime.date", "datetime.time"):
            return value.isoformat()
        if name == "datetime.timedelta":
            return value.total_seconds()
        if name in ("uuid.UUID", "decimal.Decimal", "fractions.Fraction"):
            return str(value)
        if base.__module__.startswith("pathlib") or base.__module__ == "ipaddress":
            return str(value)
        if name in ("builtins.bytes", "builtins.bytearray"):
            return value.decode("utf-8")
        if name == "collections.deque":
            return list(value)
        if name == "numpy.generic":
            return value.item()
        if name == "numpy.ndarray" and value.size <= MAX_RESULT:
            return value.tolist()
    raise Unfit("JSON has no %s" % cls.__name__)


def in_order(items):
    """A set as a list, the same each time where its items can be sorted."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def short_repr(value):
    """At most 500 characters that say what the value is."""
    try:
        if isinstance(value, (str, bytes)):
            text = repr(value[:MAX_REPR])
        elif isinstance(value, (list, tuple, dict, set, frozenset)):
            import reprlib  # looks at the first items only

            text = reprlib.repr(value)
        else:
            text = repr(value)
    except Exception as error:
        text = "<%s: its repr raised %s>" % (type(value).__name__, type(error).__name__)
    return text if len(text) <= MAX_REPR else text[: MAX_REPR - 1] + "…"
