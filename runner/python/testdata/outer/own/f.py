"""Finds the runnel.py that lies beside it, as in a project that keeps its own."""
import sys

from runnel import flow


@flow
def go():
    return [flow.__module__, sys.path[0].rpartition("/")[2]]
