"""Values with parts: containers, enums, dataclasses, typed dicts, pydantic models."""
import sys
from _collections_abc import Iterable, Mapping, Set

from .scalars import Mismatch, converter, made, shown, type_name, wrong


def plain_class(cls, value, scope, turn):
    """The value as cls, a class without [...]"""
    enum = sys.modules.get("enum")
    if enum and issubclass(cls, enum.Enum):
        return member(cls, value)
    if hasattr(cls, "__dataclass_fields__"):
        return dataclass(cls, value, turn)
    if type(cls).__name__ == "_TypedDictMeta":
        return typed_dict(cls, value, turn)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return named_tuple(cls, value, turn)
    make = converter(cls)
    if make:
        return make(cls, value)
    if issubclass(cls, Iterable) and accepts_items(cls):
        return generic(cls, cls, value, scope, turn)
    try:
        if isinstance(value, cls):
            return value
    except TypeError:  # a protocol that cannot be asked
        return value
    raise Mismatch("cannot make %s from %s" % (type_name(cls), shown(value)))


def accepts_items(cls):
    return issubclass(cls, (list, tuple, set, frozenset, dict)) or cls.__module__ in (
        "collections",
        "collections.abc",
    )


def member(cls, value):
    """An Enum member by value, else by name."""
    if isinstance(value, cls):
        return value
    try:
        return cls(value)
    except ValueError:
        pass
    for name, item in cls.__members__.items():
        if name == value or (isinstance(value, list) and item.value == tuple(value)):
            return item
    for item in cls:  # an Enum of dates or paths: by what JSON shows of the value
        if isinstance(value, str) and str(item.value) == value:
            return item
    allowed = ", ".join(repr(item.value) for item in cls)
    raise Mismatch("expected one of %s (%s), got %s" % (allowed, cls.__name__, shown(value)))


def fields_of(cls):
    """Annotations of cls and its bases, each with the scope that it was written in."""
    from .convert import Scope

    found = {}
    for base in reversed(cls.__mro__):
        annotations = vars(base).get("__annotations__") or late_annotations(base)
        scope = Scope.of(base)
        scope.names[cls.__name__] = cls
        for name, annotation in annotations.items():
            found[name] = (annotation, scope)
    return found


def late_annotations(base):
    if sys.version_info < (3, 14):
        return {}
    import annotationlib

    return annotationlib.get_annotations(base, format=annotationlib.Format.FORWARDREF)


def part(name, annotation, value, scope, turn):
    try:
        return turn(annotation, value, scope)
    except Mismatch as error:
        raise error.under(name) from None


def dataclass(cls, value, turn):
    from .convert import Scope

    if isinstance(value, cls):
        return value
    if not isinstance(value, dict):
        raise wrong(cls, value, " as an object")
    annotations = fields_of(cls)
    takes = {}
    for name, field in cls.__dataclass_fields__.items():
        kind = field._field_type.name  # an InitVar is taken, a ClassVar is not
        if kind != "_FIELD_CLASSVAR" and (field.init or kind == "_FIELD_INITVAR"):
            takes[name] = annotations.get(name, (field.type, Scope.of(cls)))
    check_names(cls, value, takes)
    given = {
        name: part("." + name, takes[name][0], each, takes[name][1], turn)
        for name, each in value.items()
    }
    try:
        return cls(**given)
    except Exception as error:  # a missing field, or __post_init__ refuses
        raise Mismatch("%s: %s" % (cls.__name__, error)) from None


def check_names(cls, value, takes):
    unknown = [name for name in value if name not in takes]
    if unknown:
        raise Mismatch(
            "%s has no field %s: it has %s"
            % (cls.__name__, ", ".join(map(repr, unknown)), ", ".join(takes) or "none")
        )


def typed_dict(cls, value, turn):
    if not isinstance(value, dict):
        raise wrong(cls, value, " as an object")
    takes = typed_dict_fields(cls)
    check_names(cls, value, takes)
    missing = [name for name in required_keys(cls, takes) if name not in value]
    if missing:
        raise Mismatch("%s lacks %s" % (cls.__name__, ", ".join(map(repr, missing))))
    return {
        name: part("." + name, takes[name][0], each, takes[name][1], turn)
        for name, each in value.items()
    }


def required_keys(cls, takes):
    """__required_keys__, corrected: under string annotations typing does not
    see NotRequired and Required."""
    required = set(cls.__required_keys__)
    for name, (annotation, _) in takes.items():
        text = getattr(annotation, "__forward_arg__", annotation)
        if isinstance(text, str):
            head = text.partition("[")[0].rpartition(".")[2]
            if head == "NotRequired":
                required.discard(name)
            elif head == "Required":
                required.add(name)
    return [name for name in takes if name in required]


def typed_dict_fields(cls):
    # Its bases are not in __mro__: a TypedDict is a plain dict, with all annotations merged.
    return fields_of(cls)


def named_tuple(cls, value, turn):
    if isinstance(value, cls):
        return value
    takes = fields_of(cls)
    if isinstance(value, (list, tuple)) and len(value) <= len(cls._fields):
        value = dict(zip(cls._fields, value))
    if not isinstance(value, dict):
        raise wrong(cls, value, " as an object or an array of %d" % len(cls._fields))
    check_names(cls, value, dict.fromkeys(cls._fields))
    given = {}
    for name, each in value.items():
        annotation, scope = takes.get(name, (object, None))  # object takes anything
        given[name] = part("." + name, annotation, each, scope, turn)
    try:
        return cls(**given)
    except TypeError as error:
        raise Mismatch("%s: %s" % (cls.__name__, error)) from None


def generic(annotation, origin, value, scope, turn):
    """The value as list[...], dict[...], tuple[...] and their relatives."""
    args = getattr(annotation, "__args__", ())
    if issubclass(origin, tuple) and not hasattr(origin, "_fields"):
        return fixed_tuple(args, value, scope, turn)
    if issubclass(origin, Mapping):
        return mapping(origin, args, value, scope, turn)
    if issubclass(origin, Iterable) and accepts_items(origin):
        return sequence(origin, args, value, scope, turn)
    if origin is type or origin.__module__ == "collections.abc":  # Callable, type[X]
        if isinstance(value, origin):
            return value
        raise Mismatch("cannot make %s from %s" % (type_name(annotation), shown(value)))
    return plain_class(origin, value, scope, turn)  # a generic class of the user's


def items_of(origin, value):
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise wrong(origin, value, " as an array")
    return list(value)


def sequence(origin, args, value, scope, turn):
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict, list, tuple, set, frozenset)):
        return value  # a Python caller's own iterable: reading it would use it up
    values = items_of(origin, value)
    if args:
        values = [
            part("[%d]" % at, args[0], each, scope, turn) for at, each in enumerate(values)
        ]
    if issubclass(origin, Set):
        try:
            return frozenset(values) if origin is frozenset else set(values)
        except TypeError:
            raise Mismatch("the items of a set cannot be arrays or objects") from None
    if issubclass(origin, list) or origin.__module__ == "collections.abc":
        return values if origin is list or not issubclass(origin, list) else origin(values)
    return made(origin, values)


def fixed_tuple(args, value, scope, turn):
    values = items_of(tuple, value)
    if args == ((),) or not args:
        return tuple(values)
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(values)
    if len(args) != len(values):
        raise wrong(tuple, value, " of %d items" % len(args))
    return tuple(
        part("[%d]" % at, args[at], each, scope, turn) for at, each in enumerate(values)
    )


def mapping(origin, args, value, scope, turn):
    if not isinstance(value, Mapping):
        raise wrong(origin, value, " as an object")
    pairs = dict(value)
    if args:
        each_value = args[1] if len(args) > 1 else int  # Counter[str] has one argument
        pairs = {
            part("." + str(name), args[0], name, scope, turn): part(
                "." + str(name), each_value, each, scope, turn
            )
            for name, each in pairs.items()
        }
    if origin is dict or origin.__module__ == "collections.abc":
        return pairs
    if origin.__name__ == "defaultdict":
        return origin(None, pairs)
    return origin(pairs)


def pydantic_value(annotation, metadata, value):
    """What pydantic makes of the value; the caller knows that it is imported."""
    pydantic = sys.modules["pydantic"]
    try:
        if hasattr(annotation, "model_validate") and not metadata:
            return annotation.model_validate(value)
        if hasattr(pydantic, "TypeAdapter"):
            whole = annotation
            if metadata:
                whole = sys.modules["typing"].Annotated[(annotation,) + tuple(metadata)]
            return pydantic.TypeAdapter(whole).validate_python(value)
        if hasattr(annotation, "parse_obj"):
            return value if isinstance(value, annotation) else annotation.parse_obj(value)
        return pydantic.parse_obj_as(annotation, value)
    except pydantic.ValidationError as error:
        raise first_complaint(annotation, error) from None


def first_complaint(annotation, error):
    complaints = error.errors()
    first = complaints[0]
    where = "".join("[%d]" % at if isinstance(at, int) else "." + str(at) for at in first["loc"])
    text = "%s: %s" % (type_name(annotation), first["msg"])
    if "input" in first:
        text += ", got " + shown(first["input"])
    if len(complaints) > 1:
        text += " (and %d more)" % (len(complaints) - 1)
    return Mismatch(text, where)
