"""Stages as processes that start in no time: forked from one that has all its imports."""

import os
import signal
from collections.abc import Callable

from pipeline.errors import guard


def forked(main: Callable[[], int], says: int | None = None) -> int:
    """The id of a process of ours that ends with the code of `main`; what it says goes to the open
    file `says`."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for stream in (1, 2) if says is not None else ():
                os.dup2(says, stream)
            code = guard(lambda argv: main(), [])
        finally:
            os._exit(code)
    return pid


def waited(pid: int) -> int:
    """What becomes of a process next: its exit code, or -SIGSTOP."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    return -signal.SIGSTOP if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def ended(main: Callable[[], int]) -> tuple[int, str]:
    """The exit code of a process that does `main`, and what it said."""
    ours, its = os.pipe()
    pid = forked(main, its)
    os.close(its)
    with open(ours, errors="replace") as said:
        text = said.read()
    return waited(pid), text
