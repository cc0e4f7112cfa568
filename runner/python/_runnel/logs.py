"""Lines such as `08:51:21.123 | INFO    | Flow run 'amber-otter' - text` on stderr."""
import builtins
import logging
import os
import sys

from . import context
from .errors import MissingContextError


class Stderr(logging.Handler):
    """Writes to sys.stderr as it is at that moment; tests and flows replace it."""

    def emit(self, record):
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


class Format(logging.Formatter):
    """Names the run where the record comes from one, else the logger."""

    default_time_format = "%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self):
        super().__init__("%(asctime)s | %(levelname)-7s | %(run_label)s - %(message)s")

    def format(self, record):
        if not hasattr(record, "run_label"):
            record.run_label = record.name
        return super().format(record)


def root():
    logger = logging.getLogger("prefect")
    if not any(isinstance(handler, Stderr) for handler in logger.handlers):
        handler = Stderr()
        handler.setFormatter(Format())
        logger.addHandler(handler)
        logger.propagate = False
        level = os.environ.get("PREFECT_LOGGING_LEVEL", "INFO").upper()
        logger.setLevel(level if level in logging._nameToLevel else "INFO")
    return logger


class RunLogger(logging.LoggerAdapter):
    """A logger whose lines carry their run. Keeps the extra= of a call, which
    the plain adapter drops before Python 3.13."""

    def process(self, msg, kwargs):
        kwargs["extra"] = dict(self.extra, **(kwargs.get("extra") or {}))
        return msg, kwargs

    def getChild(self, suffix, extra=None):
        return RunLogger(self.logger.getChild(suffix), dict(self.extra, **(extra or {})))


def of_run(run):
    root()
    extra = {"run_label": run.label, run.kind + "_run_name": run.name, run.kind + "_run_id": run.id}
    return RunLogger(logging.getLogger("prefect.%s_runs" % run.kind), extra)


def get_run_logger(context=None, **kwargs):
    """The logger of the current task run or flow run."""
    run = getattr(context, "_run", None) or current_run()
    logger = of_run(run)
    logger.extra.update(kwargs)
    return logger


def current_run():
    run = context.current()
    if run is None:
        raise MissingContextError("there is no active flow or task run: get_run_logger works inside of one")
    return run


def get_logger(name=None):
    """A logger under the one named prefect, with the same handler."""
    parent = root()
    if not name:
        return parent
    return logging.getLogger(name) if name.split(".")[0] == "prefect" else parent.getChild(name)


_print = builtins.print


def patch_print():
    builtins.print = print_or_log


def print_or_log(*args, **kwargs):
    """print, or a line in the log where the current run has log_prints."""
    run = context.current()
    if run is None or not run.log_prints or kwargs.get("file") not in (None, sys.stdout, sys.stderr):
        return _print(*args, **kwargs)
    sep = kwargs.get("sep")
    of_run(run).info("%s", (" " if sep is None else sep).join(map(str, args)))
    return None
