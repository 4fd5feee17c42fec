"""Another process that calls functions for us, and how it ends if one of them ends it.

It is a program of its own (pipeline/serve.py): a stage has threads and must not be forked, and
multiprocessing would import its main module anew. It hears neither Ctrl-C nor SIGTERM, which are
for us, and does not outlive us.

A process may have been damaged by a call before, and may be killed by anybody. So a call is tried
again in a fresh one; what ends that is the call's own. If none gets ready at all, it is the
machine's fault.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from pipeline.errors import AGAIN, TransientError
from pipeline.line import Packed, receive

#: Seconds of a processor that a call may take. On a machine that is busy or stops for a while, more
#: time passes: `PATIENCE` times as much is waited for, should a process do nothing at all.
SECONDS, PATIENCE = 60, 10
#: Processes for a call if each of them is killed, which nobody but a person or the kernel does.
TRIES = 3
#: One thread for a library: its process is one of many. And what the C library gives back to the
#: system after each picture must be asked for again for the next: a quarter of a decoder's time.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}  # fmt: skip


class Ended(Exception):
    """How the process ended, with the process as the subject: `was ended by SIGSEGV`."""

    def __init__(self, sentence: str, killed: bool = False) -> None:
        super().__init__(sentence)
        self.killed = killed


class Other:
    """At most one call at a time: `ask`, and then `answer`. Starts when it is first asked."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._running: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._fresh = self._ready = False
        self._request = Packed(b"", ())

    def ask(self, call: Callable[[], Any]) -> None:
        self._request = Packed.of((self._seconds, call))
        self._send()

    def answer(self) -> Callable[[], Any]:
        """A function that returns or raises what the call did, or raises `Ended`."""
        for left in reversed(range(TRIES)):
            fresh = self._fresh
            try:
                return partial(_give, *self._received())
            except Ended as ended:
                self.end()
                if not left and not self._ready:
                    raise TransientError(f"a process that shall open files {ended} before it "
                                         f"began: {AGAIN}") from None  # fmt: skip
                if not left or (fresh and self._ready and not ended.killed):
                    return partial(_give, False, ended)
                self._send()
            except BaseException:  # we are to stop, perhaps: nobody will take this answer
                self.end()
                raise
        raise AssertionError("not reached")

    def end(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._running is not None:
            self._running.kill()
            self._running.wait()
        self._line = self._running = None

    def _send(self) -> None:
        self._fresh = self._line is None
        if self._line is None:
            self._ready = False
            self._start()
        assert self._line is not None
        with suppress(OSError):  # it has ended: whoever asks for the answer will know
            self._request.send(self._line)

    def _start(self) -> None:
        """Blocked signals stay so in a new process. They are blocked, not ignored: one that comes
        to us now is heard after."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._line, theirs = socket.socketpair()
            self._line.settimeout(self._seconds * PATIENCE)
            with theirs:
                command = [sys.executable, "-P", "-m", "pipeline.serve", str(theirs.fileno())]
                env = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)}
                self._running = subprocess.Popen(
                    command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _received(self) -> tuple[bool, Any]:
        """Whether the call returned, and what it returned or raised."""
        assert self._line is not None
        try:
            if not self._ready:
                receive(self._line)
                self._ready = True
            answer = receive(self._line)
        except TimeoutError:
            raise Ended(f"gave no answer for {self._seconds * PATIENCE} s") from None
        except (EOFError, OSError):
            raise self._ended() from None
        returned, what = answer.unpacked()
        return returned, what

    def _ended(self) -> Ended:
        assert self._running is not None
        with suppress(subprocess.TimeoutExpired):  # it has let go of the line, and yet goes on
            self._running.wait(1)
        self._running.kill()
        status = self._running.wait()
        if status == -signal.SIGXCPU:
            return Ended(f"took more than {self._seconds} s")
        if status >= 0:
            return Ended(f"ended with exit code {status}")
        names = {one.value: one.name for one in signal.Signals}
        name = names.get(-status, f"signal {-status}")
        return Ended(f"was ended by {name}", killed=status == -signal.SIGKILL)


def _give(returned: bool, what: Any) -> Any:
    if returned:
        return what
    raise what
