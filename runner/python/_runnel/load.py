"""Finds the function that an entrypoint names and imports its module."""
import os
import sys

from . import NotRunnable


class Target:
    """Where an entrypoint leads: a module by file or by name, and names inside it."""

    def __init__(self, root, entrypoint, file, module, names):
        self.root = root
        self.entrypoint = entrypoint
        self.file = file  # absolute path, or None where only the import system knows
        self.module = module
        self.names = names
        # How many packages the file lies in.
        self.packages = module.count(".")
        if file and os.path.basename(file) == "__init__.py":
            self.packages += 1


def find(root, entrypoint):
    """Reads file.py:function, file.py:Class.method, pkg.module:function and
    pkg.module.function; raises NotRunnable where there is no such file."""
    root = os.path.abspath(root)
    place, colon, names = entrypoint.rpartition(":")
    if not colon or not names or "/" in names or "\\" in names:
        if entrypoint.endswith(".py") or os.sep in entrypoint:
            raise NotRunnable("entrypoint %r names no function: write file.py:function" % entrypoint)
        place, _, names = entrypoint.rpartition(".")
    if not place:
        raise NotRunnable("entrypoint %r is neither file.py:function nor module:function" % entrypoint)
    file = existing_file(root, place)
    if file:
        return Target(root, entrypoint, file, module_name(root, file), names.split("."))
    if place.endswith(".py") or os.sep in place:
        path = os.path.join(root, place)
        raise NotRunnable("there is no file %s (entrypoint %s)%s" % (path, entrypoint, moved(path)))
    return Target(root, entrypoint, module_file(root, place), place, names.split("."))


def existing_file(root, place):
    path = os.path.normpath(os.path.join(root, place))
    for candidate in (path, path + ".py"):
        if os.path.isfile(candidate):
            return candidate
    return None


def moved(path):
    if os.path.isdir(os.path.dirname(path)):
        return ": was it moved or renamed? deploy it again from its new place"
    return ": its folder is not there either"


def module_file(root, name):
    """The source file of a dotted module under root or root/src, if it is there."""
    for base in (root, os.path.join(root, "src")):
        path = os.path.join(base, *name.split("."))
        for candidate in (path + ".py", os.path.join(path, "__init__.py")):
            if os.path.isfile(candidate):
                return candidate
    return None


def module_name(root, file):
    """The dotted name of file: folders with an __init__.py are packages, up to root."""
    folder, base = os.path.split(file)
    parts = [] if base == "__init__.py" else [os.path.splitext(base)[0]]
    while folder != root and os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        if not package:
            break  # the file system's root
        parts.insert(0, package)
    return ".".join(parts) or os.path.basename(os.path.dirname(file))


def function(target):
    """Imports the target's module and returns what the entrypoint names in it."""
    set_path(target)
    return attribute(import_module(target), target)


def set_path(target):
    """Puts the project on sys.path, as a script's own folder would stand there.

    The folder of a file inside a package goes to the end: its modules may be
    called types.py or logging.py, which is right in a package and would hide
    the standard library as a script's neighbour.
    """
    front, back = [target.root], []
    if target.file:
        folder = os.path.dirname(target.file)
        if target.packages or hides_library(target.module):
            back = [folder]
        else:
            front.insert(0, folder)
        top = folder
        for _ in range(target.packages):
            top = os.path.dirname(top)
        if target.packages:
            front.insert(0, top)
    front = [entry for at, entry in enumerate(front) if entry not in front[:at]]
    rest = [entry for entry in sys.path if entry not in front]
    sys.path[:] = front + rest[:-1] + [entry for entry in back if entry not in front] + rest[-1:]


def hides_library(name):
    """Whether a file of this name stands in front of one that others import."""
    if name in sys.modules or name in ("prefect", "runnel"):
        return True
    if hasattr(sys, "stdlib_module_names"):  # Python 3.10
        return name in sys.stdlib_module_names
    place = os.path.join(os.path.dirname(os.__file__), name)
    return name in sys.builtin_module_names or os.path.isfile(place + ".py") or os.path.isdir(place)


def import_module(target):
    if target.file is None:
        return import_by_name(target)
    # By name where the import system would find this very file, so that it is
    # one module with what its neighbours import, and pickle finds it again.
    base = os.path.basename(target.file)
    if base.endswith(".py") and base.count(".") == 1 and (target.packages or not hides_library(target.module)):
        module = import_by_name(target)
        if same_file(getattr(module, "__file__", None), target.file):
            return module
    return import_by_file(target)


def import_by_name(target):
    try:
        __import__(target.module)
    except ModuleNotFoundError as error:
        # Only when the module itself or a package above it is the missing one;
        # a missing import inside it is the user's own failure.
        if error.name and (target.module + ".").startswith(error.name + "."):
            raise NotRunnable(
                "there is no module %s on the path of project %s (entrypoint %s)"
                % (error.name, target.root, target.entrypoint)
            )
        raise
    return sys.modules[target.module]


def import_by_file(target):
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    name = os.path.splitext(os.path.basename(target.file))[0].replace(".", "_")
    if hides_library(name):
        name += "__flow"
    loader = SourceFileLoader(name, target.file)
    module = module_from_spec(spec_from_loader(name, loader, origin=target.file))
    sys.modules[name] = module  # dataclasses and pickle look modules up by name
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def same_file(one, other):
    try:
        return one is not None and os.path.samefile(one, other)
    except OSError:
        return False


def attribute(module, target):
    """Walks the names after the colon; says what is missing and what is there."""
    place = target.file or target.module
    owner, value = None, module
    for name in target.names:
        owner = value
        try:
            value = getattr(owner, name)
        except AttributeError:
            raise NotRunnable(
                "there is no %r in %s (entrypoint %s)%s"
                % (name, place, target.entrypoint, others(owner))
            )
    if not callable(value):
        raise NotRunnable("%s in %s is not a function" % (".".join(target.names), place))
    if needs_instance(owner, target.names[-1]):
        raise NotRunnable(
            "%s in %s is a method that needs an instance: only static and class methods can be run"
            % (".".join(target.names), place)
        )
    return value


def others(owner):
    flows = [
        name
        for name, value in vars(owner).items()
        if type(value).__name__ == "Flow" and not name.startswith("_")
    ]
    return ": it has " + ", ".join(sorted(flows)[:10]) if flows else ""


def needs_instance(owner, name):
    if not isinstance(owner, type):
        return False
    for base in owner.__mro__:
        if name in vars(base):
            raw = vars(base)[name]
            break
    else:
        return False
    raw = getattr(raw, "fn", raw)
    code = getattr(raw, "__code__", None)
    return bool(code and code.co_argcount and code.co_varnames[0] == "self")
