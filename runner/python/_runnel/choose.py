"""Which prefect a flow gets: the built-in one or the one that is installed."""
import os
import sys

from . import FOLDER, NotRunnable

SHIM = os.path.join(FOLDER, "shim")

# The key in provided.json that lists the packages which build on the real prefect.
NEEDS_INSTALLED = "needs the installed one"


def prefect(mode, target):
    """Makes `import prefect` mean what mode says for this target.

    auto takes the built-in one, unless the flow's file imports a name that it
    lacks and a prefect is installed.
    """
    if mode not in ("auto", "builtin", "installed"):
        raise NotRunnable("job variable prefect is %r: it can be auto, builtin or installed" % mode)
    found = mode != "builtin" and installed()
    if mode == "installed" and not found:
        raise NotRunnable(
            "job variable prefect is 'installed', but %s has no prefect package: "
            "%s -m pip install prefect, or set prefect to auto" % (sys.executable, sys.executable)
        )
    if mode == "installed" or (mode == "auto" and found and lacking(target)):
        # The server that a flow starts for itself would report to its makers.
        os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        return
    # Behind the project's own folders, which load.set_path puts in front, and
    # before site-packages.
    sys.path.insert(0, SHIM)


def installed():
    """Whether this interpreter finds a prefect package. It imports nothing."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find("prefect", None) if find else None
        # A bare folder that is called prefect (a namespace package) is none.
        if spec is not None and spec.origin and spec.has_location:
            return True
    return False


def lacking(target):
    """What the target's file imports and the built-in prefect has not."""
    if target.file is None:
        return ["the flow's module cannot be read before it is imported"]
    with open(target.file, "rb") as file:
        source = file.read()
    if b"prefect" not in source:
        return []
    return missing(imports(source), provided())


def provided():
    import json

    with open(os.path.join(FOLDER, "provided.json"), encoding="utf-8") as file:
        return json.load(file)


def missing(names, table):
    """Those of the dotted names that the table of provided names lacks.
    runner.ChoosePrefect is the same in Go."""
    return [name for name in names if not has(name, table)]


def has(name, table):
    top = name.partition(".")[0]
    if top in table[NEEDS_INSTALLED]:
        return False
    if top != "prefect" or name in table:
        return True
    module, _, attribute = name.rpartition(".")
    if module in table:
        return attribute in table[module]
    # An attribute of something: there if that is there.
    return has(module, table)


def imports(source):
    """The dotted names that source takes from prefect and its integrations."""
    try:
        tree = compile(source, "flow", "exec", 1024, dont_inherit=True)  # 1024: only the tree
    except (SyntaxError, ValueError):
        return []  # importing it will say so, with the line
    names, aliases, chains = [], {}, []
    walk(tree, names, aliases, chains)
    for root, rest in chains:
        if root in aliases:
            names.append(aliases[root] + rest)
    return list(dict.fromkeys(names))


def walk(node, names, aliases, chains):
    kind = type(node).__name__
    if kind == "If" and "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", "")):
        children = node.orelse  # not run
    elif kind == "Try" and any(catches_import(handler) for handler in node.handlers):
        children = node.handlers + node.orelse + node.finalbody  # the file can do without
    else:
        children = note(node, kind, names, aliases, chains)
    for child in children:
        walk(child, names, aliases, chains)


def note(node, kind, names, aliases, chains):
    """Records what this node imports or reads; returns the nodes below it."""
    if kind == "ImportFrom":
        if not node.level and top_is_prefect(node.module):
            names.extend(node.module + "." + item.name for item in node.names)
            for item in node.names:
                aliases[item.asname or item.name] = node.module + "." + item.name
        return []
    if kind == "Import":
        for item in node.names:
            if top_is_prefect(item.name):
                names.append(item.name)
                bound = item.asname or item.name.partition(".")[0]
                aliases[bound] = item.name if item.asname else bound
        return []
    if kind == "Attribute":
        root, rest = chain(node)
        if root:
            chains.append((root, rest))
            return []
    return list(nodes_below(node))


def nodes_below(node):
    for field in node._fields:
        value = getattr(node, field, None)
        for item in value if isinstance(value, list) else (value,):
            if hasattr(item, "_fields"):
                yield item


def chain(node):
    """('prefect', '.runtime.flow_run') for prefect.runtime.flow_run."""
    rest = ""
    while type(node).__name__ == "Attribute":
        rest = "." + node.attr + rest
        node = node.value
    return (node.id, rest) if type(node).__name__ == "Name" else (None, "")


def top_is_prefect(module):
    top = (module or "").partition(".")[0]
    return top == "prefect" or top.startswith("prefect_")


def catches_import(handler):
    types = getattr(handler.type, "elts", [handler.type])
    return any(getattr(item, "id", "") in ("ImportError", "ModuleNotFoundError") for item in types)
