"""A process serves its metrics, stays for the last scrape and no longer, and is never stopped by a
port that is taken."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.code import ROOT

PROGRAM = """
import sys, time
from pipeline import live, metrics
from pipeline.errors import ConfigError, guard

def main(argv):
    live.serve(float(argv[0]))
    live.counter(metrics.STARTS, "r", "s", "", "0/1").inc()
    print("ready", flush=True)
    sys.stdin.readline()
    live.counter(metrics.STARTS, "r", "s", "", "0/1").inc()
    if argv[1] == "fail":
        raise ConfigError("no")
    return 0

sys.exit(guard(main, sys.argv[1:]))
"""
START = 'palimpsest_stage_starts_total{family="",partition="0/1",run="r",stage="s"} '


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def program(port: int, linger: float, how: str = "well") -> Iterator[subprocess.Popen[str]]:
    env = os.environ | {"PALIMPSEST_METRICS_PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(linger), how]
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as found:  # fmt: skip
        try:
            yield found
        finally:
            found.kill()


def line(found: subprocess.Popen[str]) -> str:
    assert found.stdout is not None
    return found.stdout.readline()


def finish(found: subprocess.Popen[str]) -> None:
    assert found.stdin is not None
    found.stdin.write("\n")
    found.stdin.flush()


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("how, code", [("well", 0), ("fail", 78)])
def test_the_last_figures_are_read_before_the_end(how: str, code: int) -> None:
    with program(port := free_port(), 60, how) as found:
        assert line(found) == "ready\n"
        assert START + "1.0" in scrape(port)
        begun = time.monotonic()
        finish(found)
        time.sleep(1)
        assert found.poll() is None  # nobody has read the last figures yet
        assert START + "2.0" in scrape(port)
        assert found.wait(20) == code
        assert time.monotonic() - begun < 20  # not the whole minute


def test_it_waits_no_longer_than_it_was_told() -> None:
    with program(free_port(), 0.5) as found:
        assert line(found) == "ready\n"
        finish(found)
        assert found.wait(20) == 0


def test_sigterm_ends_the_wait_and_the_work_counts() -> None:
    with program(free_port(), 60) as found:
        assert line(found) == "ready\n"
        finish(found)
        time.sleep(1)
        found.send_signal(signal.SIGTERM)
        assert found.wait(10) == 0


def test_a_process_that_is_stopped_does_not_wait() -> None:
    with program(free_port(), 60) as found:
        assert line(found) == "ready\n"
        found.send_signal(signal.SIGTERM)
        assert found.wait(10) == 75


def test_a_port_that_is_taken_is_said_and_costs_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        with program(int(taken.getsockname()[1]), 60) as found:
            assert "metrics are not served on port" in line(found)
            assert line(found) == "ready\n"
            finish(found)
            assert found.wait(20) == 0
