"""Flows that end in all kinds of ways."""
import atexit, os, signal, sys, threading, time
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path

def raises():
    try:
        {}["a"]
    except KeyError as error:
        raise ValueError("first\nsecond") from error
class Odd(Exception):
    def __str__(self): raise RuntimeError("no text")
def odd(): raise Odd()
def long_trace(): raise ValueError("x" * 100_000)
def deep(): return deep()
async def async_raises():
    raise LookupError("later")
def cancelled():
    import asyncio
    raise asyncio.CancelledError()
def exits(code=None): sys.exit(code)
def quits(): raise SystemExit("bad input")
def handles():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        return "handled"
def sleeps():
    print("ready", flush=True)
    time.sleep(60)
def at_end():
    def late():
        time.sleep(0.2)
        print("thread")
    threading.Thread(target=late).start()
    atexit.register(print, "atexit")
    print("flow")
def forks():
    pid = os.fork()
    if pid == 0:
        return "child"
    os.waitpid(pid, 0)
    return "parent"
def loud(): print("lost")
@dataclass
class Row:
    name: str
    day: date
class Kind(Enum):
    A = "a"
class Other: pass
def results(which):
    loop = []
    loop.append(loop)
    return {
        "natural": [date(2024, 1, 2), Path("a"), Decimal("1.10"), {2, 1}, Row("r", date(2024, 1, 2)), Kind.A,
                    timedelta(seconds=90), (1, None, True), b"text", {1: "x", None: 2, Kind.A: 3}, "ä\ud800", 1e300, 2**70],
        "object": Other(), "nan": float("nan"), "loop": loop, "tuple key": {(1, 2): 3},
        "large": "x" * (256 * 1024), "endless": range(10**12), "huge": [0] * 10**7, "bytes": b"\xff",
        "list of objects": [Other()] * 1000,
    }[which]
