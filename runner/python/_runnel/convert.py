"""Turns JSON values into the types that a function's annotations name.

It is lenient where pydantic is, since that is what flows were written
against: "5" is an int, 3.0 is an int, a number is a float; 5 is no str.
"""
import sys

from . import scalars, shapes
from .scalars import Mismatch


class ParameterError(Exception):
    """A parameter is missing, unknown, or its value is not of its type."""


class Scope:
    """Where the names in string annotations are looked up."""

    def __init__(self, names):
        self.names = names

    @classmethod
    def of(cls, owner):
        module = sys.modules.get(getattr(owner, "__module__", None))
        return cls(dict(vars(module)) if module else {})


ANYTHING = object()


def convert(annotation, value, scope, name):
    """The value as the annotated type; raises ParameterError naming the field."""
    try:
        return turn(annotation, value, scope)
    except Mismatch as error:
        raise ParameterError("parameter %r: %s" % (name + error.path, error)) from None


def turn(annotation, value, scope):
    """The value as the annotated type; raises Mismatch."""
    annotation = resolve(annotation, scope)
    annotation, metadata = bare(annotation, scope)
    if annotation is ANYTHING or annotation is object:
        return value
    if annotation is None or annotation is type(None):
        return only_none(value)
    if by_pydantic(annotation, metadata):
        return shapes.pydantic_value(annotation, metadata, value)
    origin = getattr(annotation, "__origin__", None)
    if is_union(annotation, origin):
        return union(annotation.__args__, value, scope)
    if is_typing(origin, "Literal"):
        return literal(annotation.__args__, value)
    if isinstance(origin, type):
        return shapes.generic(annotation, origin, value, scope, turn)
    if isinstance(annotation, type):
        return shapes.plain_class(annotation, value, scope, turn)
    return value  # not a type that we know; Python itself would not check it


def only_none(value):
    if value is not None:
        raise Mismatch("expected null, got %s" % scalars.shown(value))
    return None


def bare(annotation, scope):
    """Takes off Annotated, NewType, type aliases, TypeVars, Final and Required."""
    metadata = ()
    for _ in range(20):
        origin = getattr(annotation, "__origin__", None)
        if hasattr(annotation, "__metadata__"):
            metadata += annotation.__metadata__
            annotation = annotation.__origin__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif type(annotation).__name__ == "TypeVar":
            annotation = of_typevar(annotation)
        elif any(is_typing(origin, name) for name in WRAPPERS):
            annotation = annotation.__args__[0]
        elif type(annotation).__name__ == "InitVar":
            annotation = annotation.type
        elif is_typing(annotation, "Any"):
            return ANYTHING, metadata
        else:
            break
        annotation = resolve(annotation, scope)
    return annotation, metadata


WRAPPERS = ("Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "Unpack")


def of_typevar(variable):
    if variable.__constraints__:
        return sys.modules["typing"].Union[variable.__constraints__]
    return ANYTHING if variable.__bound__ is None else variable.__bound__


def is_typing(thing, name):
    """Whether thing is typing's name. What an annotation uses, its file has imported."""
    if thing is None:
        return False
    return any(
        thing is getattr(sys.modules.get(module), name, ANYTHING)
        for module in ("typing", "typing_extensions")
    )


def is_union(annotation, origin):
    return type(annotation).__name__ == "UnionType" or is_typing(origin, "Union")


def by_pydantic(annotation, metadata):
    """Whether the annotation is pydantic's matter; never imports it."""
    if "pydantic" not in sys.modules:
        return False
    if hasattr(annotation, "__get_pydantic_core_schema__") or hasattr(annotation, "parse_obj"):
        return True
    owners = [type(item).__module__ for item in metadata] + [getattr(annotation, "__module__", "")]
    return any((owner or "").partition(".")[0] in ("pydantic", "annotated_types") for owner in owners)


def union(options, value, scope):
    """The option that the value already is, else the first that takes it."""
    if value is None and any(option is None or option is type(None) for option in options):
        return None
    options = [option for option in options if option is not None and option is not type(None)]
    if len(options) == 1:
        return turn(options[0], value, scope)
    for option in options:
        if type(value) is resolve(option, scope):
            return value
    for option in options:
        try:
            return turn(option, value, scope)
        except Mismatch:
            continue
    names = " or ".join(scalars.type_name(resolve(option, scope)) for option in options)
    raise Mismatch("expected %s, got %s" % (names, scalars.shown(value)))


def literal(options, value):
    for option in options:
        if type(option) is type(value) and option == value:
            return option
    for option in options:  # members of an Enum
        if hasattr(option, "_value_") and value in (option.value, option.name):
            return option
    names = ", ".join(repr(option) for option in options)
    raise Mismatch("expected one of %s, got %s" % (names, scalars.shown(value)))


def resolve(annotation, scope):
    """Evaluates a string annotation; one that cannot be is no constraint."""
    for _ in range(5):
        text = annotation if isinstance(annotation, str) else forward(annotation)
        if text is None:
            return annotation
        annotation = evaluate(text, scope)
    return annotation


def forward(annotation):
    kind = type(annotation).__name__
    return annotation.__forward_arg__ if kind == "ForwardRef" else None


def evaluate(text, scope):
    try:
        return eval(text, scope.names)
    except Exception:
        pass
    try:
        return evaluate_tree(compile(text.strip(), "annotation", "eval", 1024).body, scope)
    except Exception:
        return ANYTHING


def evaluate_tree(node, scope):
    """For what eval refuses: X | Y before Python 3.10, and names that only a
    type checker imports, which count as anything."""
    kind = type(node).__name__
    if kind == "BinOp" and type(node.op).__name__ == "BitOr":
        import typing

        sides = (evaluate_tree(node.left, scope), evaluate_tree(node.right, scope))
        return ANYTHING if ANYTHING in sides else typing.Union[sides]
    if kind == "Subscript":
        owner = evaluate_tree(node.value, scope)
        inside = getattr(node.slice, "value", None) if type(node.slice).__name__ == "Index" else node.slice
        if is_typing(owner, "Literal"):
            return eval_node(node, scope)
        return owner if owner is ANYTHING else owner[filled(evaluate_tree(inside, scope))]
    if kind == "Tuple":
        return tuple(filled(evaluate_tree(item, scope)) for item in node.elts)
    if kind == "List":
        return [filled(evaluate_tree(item, scope)) for item in node.elts]
    try:
        return eval_node(node, scope)
    except NameError:
        return ANYTHING


def filled(value):
    """typing takes its own Any, not our mark of it."""
    if value is not ANYTHING:
        return value
    import typing

    return typing.Any


def eval_node(node, scope):
    import ast

    return eval(compile(ast.Expression(node), "annotation", "eval"), scope.names)
