"""Signals that are heard even if they come when the main thread is about to fall asleep.

Python notes a signal, and its main thread looks at the notes between two steps of a program, or
when the signal interrupts what it waits for. One that comes after the last look and before a wait
for a lock (a queue, a thread, a future's result), or that another thread was given, interrupts
nothing: it would be heard when that wait ends, perhaps never. So a thread of its own is told of
each signal, and interrupts the main thread until it has looked.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: The signal that only interrupts. Nobody minds one that comes too late: it is ignored by default.
NUDGE = signal.SIGURG
#: Seconds between two of them: the first, and the most.
FIRST, LAST = 0.05, 1.0


class _Watch:
    """Interrupts the main thread after each signal until its handlers have run."""

    def __init__(self) -> None:
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)  # as set_wakeup_fd asks
        self._looked = True
        self._handler = signal.signal(NUDGE, self._look)
        self._fd = signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._thread.start()  # itself it is given none: one that the main thread has blocked waits
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def close(self) -> None:
        signal.set_wakeup_fd(self._fd)
        self._looked = True
        os.write(self._tell, b"\0")
        self._thread.join()
        signal.signal(NUDGE, self._handler or signal.SIG_DFL)
        os.close(self._told)
        os.close(self._tell)

    def _look(self, number: int, frame: object) -> None:
        """Runs in the main thread, after the handlers of lower numbers: SIGINT's and SIGTERM's."""
        self._looked = True

    def _run(self) -> None:
        while 0 not in (signals := os.read(self._told, 64)):
            if set(signals) <= {NUDGE}:
                continue
            self._looked, pause = False, FIRST
            while not self._looked:
                time.sleep(pause)
                signal.pthread_kill(threading.main_thread().ident or 0, NUDGE)
                pause = min(2 * pause, LAST)


@contextmanager
def signals() -> Iterator[None]:
    """For the main thread only."""
    watch = _Watch()
    try:
        yield
    finally:
        watch.close()
