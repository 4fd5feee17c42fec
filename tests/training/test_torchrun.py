"""Two ranks under torchrun: how it ends, and what is left to read, whatever became of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.code import ROOT
from training.torchrun import verdict

#: Rank 1 does what it is told to; rank 0 waits, as for the next all-reduce.
RANK = """
import os, signal, sys, time
from pipeline.errors import ConfigError, guard
def main(argv):
    if os.environ["RANK"] == "1":
        if argv[0] == "unknown":
            raise ConfigError("unknown key")
        if argv[0] == "bug":
            raise ValueError("the bug")
        if argv[0] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        print("waiting", flush=True)
    time.sleep(60)
    return 0
if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
"""


def start(folder: Path, what: str) -> subprocess.Popen[str]:
    (folder / "a_rank.py").write_text(RANK)
    path = f"{ROOT}{os.pathsep}{folder}"
    return subprocess.Popen(
        [sys.executable, "-m", "training.torchrun", "2", "a_rank", what], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "code", "first", "last"),
    [
        ("unknown", 78, "palimpsest: unknown key", "palimpsest: unknown key"),
        ("bug", 1, "Traceback (most recent call last):", "ValueError: the bug"),
        ("killed", 75, "palimpsest: one of the processes was killed by SIGKILL", "from here"),
    ],
)
def test_the_last_words_are_those_of_the_rank_that_failed(
    tmp_path: Path, what: str, code: int, first: str, last: str
) -> None:
    agent = start(tmp_path, what)
    said = agent.communicate(timeout=60)[1].strip()
    assert agent.returncode == code
    assert said.startswith(first) and said.endswith(last)


@pytest.mark.slow
def test_an_agent_that_is_told_to_stop_says_so(tmp_path: Path) -> None:
    agent = start(tmp_path, "nothing")
    assert agent.stdout is not None and agent.stdout.readline() == "waiting\n"
    agent.send_signal(signal.SIGTERM)
    again = "run the same command again to go on from here"
    assert agent.communicate(timeout=60)[1] == f"palimpsest: stopped by SIGTERM; {again}\n"
    assert agent.returncode == 75


@pytest.mark.parametrize(
    ("codes", "code"),
    [([1, -15], 1), ([-15, 1], 1), ([-15, -15], 75), ([-9, -15], 75), ([78, -15], 78)],
)
def test_the_ranks_that_torchrun_stopped_do_not_count(codes: list[int], code: int) -> None:
    assert verdict(codes) == code


@pytest.mark.parametrize(
    ("codes", "code"), [([1, 75], 75), ([78], 78), ([75, 78], 78), ([-9, 1], 75), ([1, 1], 1)]
)
def test_what_was_said_on_purpose_outweighs_what_followed_from_it(
    codes: list[int], code: int
) -> None:
    assert verdict(codes) == code
