"""What a function may do to the process that calls it, for pipeline/apart.py."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

_calls: list[int] = []


def echo(what: Any) -> Any:
    return what


def process() -> int:
    return os.getpid()


def limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_CORE)


def end(how: str, calls: Path | None = None) -> None:
    """`calls` gets a line for each process that tried."""
    if calls:
        with open(calls, "a") as out:
            out.write("called\n")
    if how == "fault":  # a real one, in C
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        sys.exit(3)
    elif how == "leave":
        os._exit(0)
    elif how == "loop":  # in C, and nobody else gets the interpreter
        sum(itertools.repeat(0))
    elif how == "sleep":
        time.sleep(3600)
    elif how in ("value", "memory"):
        fail(how)
    elif how:
        os.kill(os.getpid(), signal.Signals[how])


def end_once(how: str, mark: Path) -> int:
    """As if somebody had ended the process from outside, the first time."""
    if not mark.exists():
        mark.touch()
        end(how)
    return os.getpid()


def damage(call: str) -> str:
    """Any call after the first one in a process meets what that has left."""
    _calls.append(0)
    if len(_calls) > 1:
        ctypes.string_at(0)
    return call


class Odd(Exception):
    """Cannot be made anew from its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail(how: str) -> NoReturn:
    errors: dict[str, Exception] = {
        "value": ValueError("too few"), "disk": OSError(28, "No space left on device", "a.png"),
        "memory": MemoryError(), "end": EOFError(), "line": ConnectionResetError(),
        "odd": Odd(1, 2),
    }  # fmt: skip
    raise errors[how]


def closure() -> Any:
    return lambda: 0
