"""How the modules of the built-in prefect give names, and refuse the others."""
import sys

INSTEAD = (
    "runnel's built-in prefect has no %s. Use the real one: `%s -m pip install prefect` "
    "(runnel then takes it where a flow needs it), or, where it is installed, "
    "set the job variable prefect: installed"
)


def lacks(name):
    return INSTEAD % (name, sys.executable or "python3")


def module(name, table):
    """Makes the module give the names of table, {name: module that has it}, each
    loaded when it is first asked for. Returns its __getattr__ and __dir__."""
    own = sys.modules[name]
    # Any module counts as a package, so that `from prefect.x import y` asks the
    # import system for prefect.x.y and ends at Refuse, with its message.
    if not hasattr(own, "__path__"):
        own.__path__ = []
    own.__all__ = sorted(table)
    if not any(isinstance(finder, Refuse) for finder in sys.meta_path):
        sys.meta_path.append(Refuse())

    def get(attribute):
        if attribute not in table:
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            raise AttributeError(lacks("%s.%s" % (name, attribute)))
        __import__(table[attribute])
        source = sys.modules[table[attribute]]
        value = source if source.__name__ == name + "." + attribute else getattr(source, attribute)
        setattr(own, attribute, value)
        return value

    return get, lambda: sorted(set(vars(own)) | set(table))


def values(name, table, get_value):
    """The same for a module whose attributes are worked out at each look."""
    own = sys.modules[name]
    own.__path__ = []
    own.__all__ = sorted(table)

    def get(attribute):
        if attribute in table:
            return get_value(attribute)
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise AttributeError(lacks("%s.%s" % (name, attribute)))

    return get, lambda: sorted(table)


class Refuse:
    """The last finder: what of prefect nobody else has found is not there."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("prefect."):
            # Under the name prefect: one that is called like the module asked
            # for would be swallowed and replaced by a shorter message.
            raise ModuleNotFoundError(lacks(name), name="prefect")
        return None
