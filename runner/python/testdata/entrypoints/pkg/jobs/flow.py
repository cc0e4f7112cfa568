import logging, shared
from . import tools
from ..jobs.tools import NAME
def go(): return [__name__, tools.NAME, NAME, shared.VALUE, logging.INFO]
