"""Task.map: from iterables to calls."""
from . import futures
from .annotations import Annotation, allow_failure, unmapped
from .errors import MappingLengthMismatch, MappingMissingIterable


def calls(args, kwargs):
    """(args, kwargs) for each item of the iterables; the rest is the same in each."""
    args = [opened(value) for value in args]
    kwargs = {name: opened(value) for name, value in kwargs.items()}
    lengths = [len(value) for value in (*args, *kwargs.values()) if is_mapped(value)]
    if not lengths:
        raise MappingMissingIterable("map needs an iterable among its arguments; got none")
    if len(set(lengths)) > 1:
        raise MappingLengthMismatch("map needs iterables of one length; got %s" % sorted(lengths))
    return [
        ([at(value, index) for value in args], {name: at(v, index) for name, v in kwargs.items()})
        for index in range(lengths[0])
    ]


class Items(list):
    """What is mapped over."""


def opened(value):
    """Items of an iterable; other values as they are. A future gives its result."""
    if isinstance(value, futures.PrefectFuture):
        value = value.result()
    if isinstance(value, allow_failure):
        inner = opened(value.value)
        return Items(allow_failure(item) for item in inner) if is_mapped(inner) else value
    if isinstance(value, (str, bytes, Annotation, dict)) or not hasattr(value, "__iter__"):
        return value
    return Items(value)


def is_mapped(value):
    return isinstance(value, Items)


def at(value, index):
    if is_mapped(value):
        return value[index]
    return value.value if isinstance(value, unmapped) else value
