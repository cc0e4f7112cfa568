"""Binds each value of cases.tsv to a parameter with its annotation."""
import json
import os

import kinds
from _runnel.signature import bind

HERE = os.path.dirname(os.path.abspath(__file__))


def all_of():
    found = []
    with open(os.path.join(HERE, "cases.tsv"), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                annotation, value, want = line.rstrip("\n").split("\t")
                got = outcome(annotation, json.loads(value))
                found.append({"annotation": annotation, "value": value, "want": want, "got": got})
    return found


def outcome(annotation, value):
    names = dict(vars(kinds))
    exec("def f(x: %s): return x" % annotation, names)
    try:
        bound = bind(names["f"], {"x": value})
    except Exception as error:
        assert type(error).__name__ == "ParameterError", error
        return "! " + str(error)
    return repr(names["f"](*bound.args, **bound.kwargs))
