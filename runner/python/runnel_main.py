"""Runs one flow in this process: the file that runnel starts.

This file is compiled anew at each start (Python caches imported modules
only), so it holds next to nothing.
"""
import os
import sys

# Our folder goes to the end of the path, so that nothing of ours can stand in
# front of a module of the user's. It stays, because multiprocessing hands
# sys.path to the processes that it spawns, and those import flow files too.
_FOLDER = os.path.dirname(os.path.abspath(__file__))
_SAME = (_FOLDER, os.path.realpath(_FOLDER))  # Python resolves links in sys.path[0]
sys.path[:] = [entry for entry in sys.path if entry not in _SAME] + [_FOLDER]

if __name__ == "__main__":
    # The folder is runnel's own, so what is compiled is kept there even where
    # PYTHONDONTWRITEBYTECODE is set: compiling at each start would cost 15 ms.
    _before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    from _runnel.main import main

    sys.dont_write_bytecode = _before
    sys.exit(main(sys.argv[1:]))
