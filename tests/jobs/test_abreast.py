"""What is fetched at the same time: an error ends it in order, a signal at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jobs import abreast
from pipeline.errors import TRANSIENT

ROOT = Path(__file__).parents[2]
#: Downloads in code that hears no signal, and one that would begin after them.
DEAF = """
import ctypes, os, sys
from jobs import abreast
from pipeline.errors import guard
libc = ctypes.CDLL(None)
def fetch(name):
    os.write(1, name.encode() + b"\\n")  # print() would write the end of the line by itself
    while True:
        libc.sleep(60)
sys.exit(guard(lambda argv: abreast.each(fetch, argv, 2), ["one", "two", "three"]))
"""


def test_all_are_done_and_never_too_many_at_a_time() -> None:
    done, at_work, most, lock = [], 0, 0, threading.Lock()

    def work(name: str) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.01)
        with lock:
            at_work -= 1
            done.append(name)

    abreast.each(work, "abcdefghij", most=3)
    assert sorted(done) == list("abcdefghij") and most == 3
    abreast.each(work, "", most=3)


def test_an_error_of_any_kind_is_raised_and_not_waited_for() -> None:
    class Panic(BaseException):
        """As PyO3 raises it."""

    def work(name: str) -> None:
        raise Panic(name)

    with pytest.raises(Panic, match="a"):
        abreast.each(work, "abc", most=1)


def test_after_an_error_those_end_that_were_begun_and_no_other_begins() -> None:
    begun, ended, failed = [], [], threading.Event()

    def work(name: str) -> None:
        begun.append(name)
        if name == "a":
            while len(begun) < 3:
                time.sleep(0.001)
            failed.set()
            raise ValueError(name)
        failed.wait(10)
        time.sleep(0.2)
        ended.append(name)

    with pytest.raises(ValueError, match="a"):
        abreast.each(work, "abcdefghij", most=3)
    assert sorted(begun) == ["a", "b", "c"] and sorted(ended) == ["b", "c"]


def test_a_signal_waits_for_no_download() -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert {process.stdout.readline() for _ in range(2)} == {"one\n", "two\n"}
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            rest, said = process.communicate(timeout=60)
        finally:
            process.kill()  # it hears no other signal if it is at fault
    assert process.returncode == TRANSIENT and time.monotonic() - begun < 10
    assert rest == "" and "stopped by SIGTERM" in said
