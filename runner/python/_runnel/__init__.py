"""What runnel's Python side is made of. Nothing here is for flows to import.

Importing a flow should cost next to nothing, so the modules of this package
load the slow parts of the standard library (json, typing, inspect, logging,
asyncio, traceback, threading) only where they are needed.
"""
import os

# The folder that holds runnel_main.py, this package and the built-in prefect.
FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class NotRunnable(Exception):
    """The machinery cannot find or start what it was told to run."""
