"""The other process of pipeline/apart.py: calls what it is told to, until nobody asks any more.

    python -m pipeline.serve FD        FD: our end of a socket

A library's fault ends it here. It starts in a tenth of a second, since it imports what a call needs
and nothing else.
"""

from __future__ import annotations

import math
import resource
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress

from pipeline.line import Packed, receive
from pipeline.parent import die_with_parent


def main(handle: int) -> None:
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what ends us is a file's fault, and no bug
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    with socket.socket(fileno=handle) as line, suppress(EOFError, ConnectionError):
        Packed.of("ready").send(line)
        while True:
            _answer(receive(line)).send(line)


def _answer(request: Packed) -> Packed:
    """Whether a call returned, and what it returned or raised."""
    try:
        seconds, call = request.unpacked()
        _allow(seconds)
        return Packed.of((True, call()))
    except Exception as error:
        said = traceback.format_exc()
        with suppress(Exception):
            error.add_note(f"In the process apart:\n{said}")
            raised = Packed.of((False, error))
            raised.unpacked()  # not each can be made anew
            return raised
        return Packed.of((False, RuntimeError(said)))


def _allow(seconds: int) -> None:
    """Have the kernel end this process once it has worked for so much longer."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(time.process_time()) + seconds
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
