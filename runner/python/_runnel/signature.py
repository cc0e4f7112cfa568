"""What a callable takes, and how named values become its arguments.

inspect.signature says the same but costs 18 ms to import, so it is asked only
about callables that are not plain functions or methods.
"""
from .convert import ParameterError, Scope, convert

POSITIONAL_ONLY, NORMAL, VAR_POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = range(5)
MISSING = object()  # no default, no annotation, no value


class Parameter:
    """One parameter of a callable; kind as in inspect."""

    def __init__(self, name, kind, default=MISSING, annotation=MISSING):
        self.name = name
        self.kind = kind
        self.default = default
        self.annotation = annotation


class Bound:
    """Arguments ready for a call, and by_name as the caller thinks of them."""

    def __init__(self, args, kwargs, by_name):
        self.args = args
        self.kwargs = kwargs
        self.by_name = by_name


def parameters_of(function):
    """The parameters of function and the function whose annotations they have."""
    skip = 0
    while True:
        if hasattr(function, "__signature__"):
            return inspected(function), function
        if type(function).__name__ == "method":
            function, skip = function.__func__, skip + 1
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    if not hasattr(function, "__code__") or not hasattr(function, "__defaults__"):
        return inspected(function), getattr(function, "__call__", function)
    return plain(function)[skip:], function


def plain(function):
    code = function.__code__
    annotations = annotations_of(function)
    names = code.co_varnames
    count = code.co_argcount
    defaults = dict(zip(reversed(names[:count]), reversed(function.__defaults__ or ())))
    found = []

    def add(name, kind, default=MISSING):
        found.append(Parameter(name, kind, default, annotations.get(name, MISSING)))

    for at, name in enumerate(names[:count]):
        kind = POSITIONAL_ONLY if at < code.co_posonlyargcount else NORMAL
        add(name, kind, defaults.get(name, MISSING))
    stars = count + code.co_kwonlyargcount
    if code.co_flags & 0x04:
        add(names[stars], VAR_POSITIONAL)
        stars += 1
    for name in names[count : count + code.co_kwonlyargcount]:
        add(name, KEYWORD_ONLY, (function.__kwdefaults__ or {}).get(name, MISSING))
    if code.co_flags & 0x08:
        add(names[stars], VAR_KEYWORD)
    return found


def annotations_of(function):
    try:
        return function.__annotations__ or {}
    except NameError:  # Python 3.14 evaluates them late; a name may be for type checkers only
        import annotationlib

        return annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)


def inspected(function):
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions do not tell
        return [Parameter("args", VAR_POSITIONAL), Parameter("kwargs", VAR_KEYWORD)]
    found = []
    for item in signature.parameters.values():
        default = MISSING if item.default is item.empty else item.default
        annotation = MISSING if item.annotation is item.empty else item.annotation
        found.append(Parameter(item.name, int(item.kind), default, annotation))
    return found


def bind(function, given, convert=True):
    """Arguments for function from an object of JSON values: *args is given as
    a list and **kwargs as an object, each under its name."""
    parameters, owner = parameters_of(function)
    values = spread(parameters, given)
    require(parameters, values)
    if convert:
        scope = Scope(getattr(owner, "__globals__", {}))
        for item in parameters:
            if item.name in values:
                values[item.name] = converted(item, values[item.name], scope)
    return arguments(parameters, values)


def bind_values(function, values):
    """Arguments from Python values by name. Text and numbers become the annotated
    types; any other value is what the caller means it to be."""
    parameters, owner = parameters_of(function)
    scope = Scope(getattr(owner, "__globals__", {}))
    values = dict(values)
    for item in parameters:
        value = values.get(item.name, item.default)
        if value is item.default or item.kind in (VAR_POSITIONAL, VAR_KEYWORD):
            continue
        if type(value) in (str, int, float, bool, list, dict, type(None)):
            values[item.name] = converted(item, value, scope)
    return arguments(parameters, values)


def spread(parameters, given):
    """Values by parameter name. What has no parameter goes to **kwargs."""
    known = {item.name: item for item in parameters}
    values = {name: value for name, value in given.items() if name in known}
    unknown = {name: value for name, value in given.items() if name not in known}
    for item in parameters:
        if item.kind == VAR_POSITIONAL and item.name in values:
            if not isinstance(values[item.name], (list, tuple)):
                raise ParameterError("parameter %r takes a list" % ("*" + item.name))
        elif item.kind == VAR_KEYWORD:
            extra = values.get(item.name) or {}
            if not isinstance(extra, dict):
                raise ParameterError("parameter %r takes an object" % ("**" + item.name))
            values[item.name] = dict(extra, **unknown)
            unknown = {}
    if unknown:
        allowed = ", ".join(known) or "none"
        names = ", ".join(repr(name) for name in unknown)
        raise ParameterError("no parameter %s: the flow takes %s" % (names, allowed))
    return values


def require(parameters, values):
    missing = [
        item.name
        for item in parameters
        if item.name not in values
        and item.default is MISSING
        and item.kind not in (VAR_POSITIONAL, VAR_KEYWORD)
    ]
    if missing:
        raise ParameterError("no value for parameter %s" % ", ".join(map(repr, missing)))


def converted(item, value, scope):
    annotation = item.annotation
    if annotation is MISSING or (value is None and item.default is None):
        return value
    if item.kind == VAR_POSITIONAL:
        return [
            convert(annotation, each, scope, "%s[%d]" % (item.name, at))
            for at, each in enumerate(value)
        ]
    if item.kind == VAR_KEYWORD:
        return {
            name: convert(annotation, each, scope, "%s.%s" % (item.name, name))
            for name, each in value.items()
        }
    return convert(annotation, value, scope, item.name)


def arguments(parameters, values):
    args, kwargs, by_name = [], {}, {}
    stars = any(item.kind == VAR_POSITIONAL and values.get(item.name) for item in parameters)
    for item in parameters:
        value = values.get(item.name, item.default)
        if item.kind == VAR_POSITIONAL:
            args.extend(values.get(item.name, ()))
        elif item.kind == VAR_KEYWORD:
            kwargs.update(values.get(item.name, {}))
        elif item.kind == POSITIONAL_ONLY or (stars and item.kind == NORMAL):
            # One left out among positional ones leaves no gap: its default stands in.
            if item.name in values or stars or values_follow(item, parameters, values):
                args.append(value)
        elif item.name in values:
            kwargs[item.name] = value
        if item.kind < VAR_POSITIONAL or item.kind == KEYWORD_ONLY:
            if value is not MISSING:
                by_name[item.name] = value
        elif item.name in values:
            by_name[item.name] = values[item.name]
    return Bound(args, kwargs, by_name)


def values_follow(item, parameters, values):
    after = parameters[parameters.index(item) + 1 :]
    return any(later.kind == POSITIONAL_ONLY and later.name in values for later in after)


def bind_call(function, args, kwargs):
    """Named values of a Python call f(*args, **kwargs), defaults filled in."""
    parameters, _ = parameters_of(function)
    rest, named, values = list(args), dict(kwargs), {}
    for item in parameters:
        if item.kind == VAR_POSITIONAL:
            values[item.name], rest = list(rest), []
        elif item.kind == VAR_KEYWORD:
            values[item.name], named = named, {}
        elif rest and item.kind != KEYWORD_ONLY:
            values[item.name] = rest.pop(0)
        elif item.name in named and item.kind != POSITIONAL_ONLY:
            values[item.name] = named.pop(item.name)
        elif item.default is not MISSING:
            values[item.name] = item.default
    if rest or named:
        raise TypeError("arguments without a parameter: %s" % (rest or list(named)))
    return values
