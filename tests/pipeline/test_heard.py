"""A signal that interrupted nothing is heard all the same: the kernel gave it to another thread,
and what the main thread waits for never ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline import heard
from pipeline.errors import INTERRUPTED, TRANSIENT

ROOT = Path(__file__).parents[2]
#: The main thread has the signal blocked, so the kernel gives it to the other one.
WAITS = """
import os, queue, signal, subprocess, sys, threading, time
from concurrent.futures import Future
from pipeline.errors import guard
def main(argv):
    threading.Thread(target=lambda: time.sleep(100), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        print("waits", flush=True)
        %s
    finally:
        print("tidied up", flush=True)
    return 0
sys.exit(guard(main, []))
"""


@pytest.mark.parametrize(
    "what",
    [
        "queue.SimpleQueue().get()",
        "queue.Queue().get()",
        "threading.enumerate()[-1].join()",
        "threading.Event().wait()",
        "Future().result()",
        "os.read(os.pipe()[0], 1)",
        "time.sleep(100)",
        "subprocess.run(['sleep', '20'], stdout=-3, stderr=-3)",
    ],
)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, TRANSIENT), (signal.SIGINT, INTERRUPTED)]
)
def test_a_signal_that_another_thread_was_given(what: str, number: int, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS % what], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        try:
            assert process.stdout is not None and process.stdout.readline() == "waits\n"
            begun = time.monotonic()
            process.send_signal(number)
            rest, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code and time.monotonic() - begun < 5
    assert rest == "tidied up\n" and "Traceback" not in said


def test_what_the_main_thread_has_blocked_is_heard_after() -> None:
    program = """if True:
        import os, signal, time
        from pipeline import heard
        came = []
        signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
        with heard.signals():
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.3)
            print(len(came))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            print(len(came))
    """
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True,
                          capture_output=True, check=True, timeout=60)  # fmt: skip
    assert done.stdout.split() == ["0", "1"]


def test_it_interrupts_until_it_was_heard_and_no_longer() -> None:
    looks: list[float] = []

    def look(number: int, frame: object) -> None:
        looks.append(time.monotonic())

    before = signal.signal(signal.SIGUSR1, look)
    try:
        with heard.signals():
            signal.raise_signal(signal.SIGUSR1)
            time.sleep(10 * heard.FIRST)
            watch = next(one for one in threading.enumerate() if one.name == "signals")
            nudges: list[int] = []
            mine = signal.signal(heard.NUDGE, lambda number, frame: nudges.append(number))
            time.sleep(10 * heard.FIRST)
            assert len(looks) == 1 and nudges == []
            signal.raise_signal(signal.SIGUSR1)
            time.sleep(10 * heard.FIRST)
            assert len(looks) == 2 and len(nudges) >= 2
            signal.signal(heard.NUDGE, mine)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not watch.is_alive()


def test_nothing_is_left_of_it() -> None:
    with heard.signals():
        pass
    assert signal.getsignal(heard.NUDGE) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1
    assert "signals" not in {one.name for one in threading.enumerate()}
