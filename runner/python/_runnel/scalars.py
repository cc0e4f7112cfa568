"""Single values: numbers, text, times, paths, and how messages show them."""
import os


class Mismatch(Exception):
    """A value does not fit its type. path says where inside the parameter."""

    def __init__(self, message, path=""):
        super().__init__(message)
        self.path = path

    def under(self, path):
        """The same mismatch, seen from the container one step up."""
        return Mismatch(str(self), path + self.path)


KINDS = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def shown(value):
    """A value in a message: null, "many" (string), [1, 2] (array)."""
    kind = KINDS.get(type(value), type(value).__name__)
    if value is None:
        return kind
    text = '"%s"' % value if type(value) is str else repr(value)
    if type(value) is bool:
        text = text.lower()
    if len(text) > 80:
        text = text[:76] + "…" + text[-1]
    return "%s (%s)" % (text, kind)


def type_name(annotation):
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def wrong(cls, value, hint=""):
    return Mismatch("expected %s%s, got %s" % (type_name(cls), hint, shown(value)))


def to_bool(cls, value):
    if isinstance(value, bool):
        return value
    if type(value) in (int, float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        if value.lower() in ("true", "t", "yes", "y", "on", "1"):
            return True
        if value.lower() in ("false", "f", "no", "n", "off", "0"):
            return False
    raise wrong(cls, value)


def to_int(cls, value):
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return value if type(value) is cls else cls(value)
        if isinstance(value, float) and value.is_integer():
            return cls(value)
        if isinstance(value, str):
            return cls(value.strip())
    except (ValueError, TypeError):
        pass
    raise wrong(cls, value)


def to_float(cls, value):
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return cls(value)
        if isinstance(value, str):
            return cls(value)
    except (ValueError, TypeError, OverflowError):
        pass
    raise wrong(cls, value)


def to_str(cls, value):
    if isinstance(value, str):
        return value if type(value) is cls else made(cls, value)
    raise wrong(cls, value)


def to_bytes(cls, value):
    if isinstance(value, str):
        return cls(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, (bytes, bytearray)):
        return value if isinstance(value, cls) else cls(value)
    raise wrong(cls, value)


def to_path(cls, value):
    if isinstance(value, cls):
        return value
    if isinstance(value, (str, os.PathLike)) and cls is not os.PathLike:
        return made(cls, value)
    if isinstance(value, str):
        from pathlib import Path

        return Path(value)
    raise wrong(cls, value)


def made(cls, value, hint=""):
    """cls(value), with the class's own complaint in the message."""
    try:
        return cls(value)
    except Exception as error:
        detail = str(error).strip()
        text = "%s%s%s" % (wrong(cls, value, hint), ": " if detail else "", detail)
        raise Mismatch(text) from None


def from_text(cls, value):
    """UUID, Decimal, Fraction, IPv4Address, …: a class that reads its own text."""
    if isinstance(value, cls):
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise wrong(cls, value)
    try:
        return cls(str(value))
    except Exception:
        raise wrong(cls, value) from None


def to_datetime(cls, value):
    from datetime import timezone

    if isinstance(value, cls):
        return value
    if type(value) in (int, float):  # seconds since 1970, as pydantic reads it
        try:
            return cls.fromtimestamp(value, timezone.utc)
        except (ValueError, OverflowError, OSError):
            raise wrong(cls, value) from None
    return iso(cls, value, " such as 2026-12-01T08:00:00+01:00")


def to_date(cls, value):
    from datetime import date, datetime

    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str) and len(value) > 10:
        moment = iso(datetime, value, " such as 2026-12-01", cls)
        if moment.timetz().replace(tzinfo=None) != moment.min.time():
            raise wrong(cls, value, " without a time of day")
        value = moment.date().isoformat()
    return iso(cls, value, " such as 2026-12-01")


def to_time(cls, value):
    return value if isinstance(value, cls) else iso(cls, value, " such as 08:30")


def iso(cls, value, hint, named=None):
    """cls.fromisoformat, with the Z and the fractions that 3.9 and 3.10 refuse."""
    if isinstance(value, str):
        text = value.strip()
        for candidate in (text, longhand(text)):
            try:
                return cls.fromisoformat(candidate)
            except ValueError:
                continue
    raise wrong(named or cls, value, hint)


def longhand(text):
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return head + "." + tail[:digits].ljust(6, "0")[:6] + tail[digits:]


def to_timedelta(cls, value):
    if isinstance(value, cls):
        return value
    hint = " as seconds or ISO 8601 such as PT1H30M"
    try:
        if type(value) in (int, float):
            return cls(seconds=value)
        if isinstance(value, str):
            return cls(seconds=seconds(value.strip()))
    except (ValueError, OverflowError):
        pass
    raise wrong(cls, value, hint)


def seconds(text):
    """The seconds of "90", "PT1H30M", "P1DT2H", "P2W", "1:30:00" or "2 days, 1:00:00"."""
    import re

    sign = -1 if text.startswith("-") else 1
    body = text.lstrip("+-")
    number = r"(\d+(?:[.,]\d+)?)"
    parts = re.fullmatch(
        "P(?:%sW)?(?:%sD)?(?:T(?=.)(?:%sH)?(?:%sM)?(?:%sS)?)?" % ((number,) * 5), body, re.I
    )
    if parts and any(parts.groups()):
        sizes = (604800, 86400, 3600, 60, 1)
        return sign * sum(float((n or "0").replace(",", ".")) * s for n, s in zip(parts.groups(), sizes))
    clock = re.fullmatch(r"(?:(\d+) ?d?(?:ays?)?,? )?(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?", body)
    if clock:
        sizes = (86400, 3600, 60, 1)
        return sign * sum(float(n or "0") * s for n, s in zip(clock.groups(), sizes))
    return float(text)


# By module and name, so that no module is imported for a type that no flow uses.
CONVERTERS = {
    "builtins.bool": to_bool,
    "builtins.int": to_int,
    "builtins.float": to_float,
    "builtins.str": to_str,
    "builtins.bytes": to_bytes,
    "builtins.bytearray": to_bytes,
    "datetime.datetime": to_datetime,
    "datetime.date": to_date,
    "datetime.time": to_time,
    "datetime.timedelta": to_timedelta,
    "uuid.UUID": from_text,
    "decimal.Decimal": from_text,
    "fractions.Fraction": from_text,
}


def converter(cls):
    """The function that makes cls, or a subclass of what is known, else None."""
    for base in cls.__mro__:
        found = CONVERTERS.get("%s.%s" % (base.__module__, base.__qualname__))
        if found:
            return found
    if cls.__module__ == "ipaddress":
        return from_text
    return to_path if issubclass(cls, os.PathLike) else None
