"""Training as the pods of an Indexed Job do it: agents that know nothing but their environment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.code import ROOT
from pipeline.errors import PERMANENT, TRANSIENT, TransientError, guard
from pipeline.shards import join
from training import torchrun

if TYPE_CHECKING:
    from tests.training.conftest import Runs

#: Rank 1 does what it is told to; both meet first, as in training.
RANK = """
import os, signal, sys, torch, torch.distributed as dist
from pipeline.errors import ConfigError, guard
def main(argv):
    dist.init_process_group("gloo")
    if os.environ["RANK"] == "1" and argv[0] == "unknown":
        raise ConfigError("unknown key")
    if os.environ["RANK"] == "1" and argv[0] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    dist.all_reduce(torch.ones(1))
    return 0
if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
"""

#: `python -m training.torchrun`, which says when it begins to wait for the first pod.
WAITING = """
import sys
from pipeline.errors import guard
from training import torchrun
reach = torchrun.reach
torchrun.reach = lambda *where: (print("waiting", flush=True), reach(*where))
sys.exit(guard(torchrun.main, sys.argv[1:]))
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        found: int = one.getsockname()[1]
        return found


def pod(
    index: int,
    port: int,
    folder: Path,
    *command: str,
    how: tuple[str, ...] = ("-m", "training.torchrun"),
) -> subprocess.Popen[str]:
    told = {"NNODES": "2", "JOB_COMPLETION_INDEX": str(index), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port), "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
            "OMP_NUM_THREADS": "1"}  # fmt: skip
    return subprocess.Popen(
        [sys.executable, *how, "job", *command], env=os.environ | told,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
    )  # fmt: skip


@pytest.mark.slow
def test_two_pods_train_one_detector(runs: Runs, port: int, tmp_path: Path) -> None:
    run, _ = runs.make(processes=2)
    argv = ["training.train", "--detector", "deeplabv3plus", "--task", "binary",
            f"--run={run.path}"]  # fmt: skip
    pods = [pod(1, port, tmp_path, *argv)]  # which waits for pod 0
    time.sleep(1)
    pods.append(pod(0, port, tmp_path, *argv))
    said = [one.communicate(timeout=100)[0] for one in pods]
    assert [one.returncode for one in pods] == [0, 0], said
    rows = join(run, ["train-deeplabv3plus-binary"], 0).rows
    assert len(rows["model"].get("curve", "Curve").loss) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "code", "says"),
    [("unknown", PERMANENT, "palimpsest: unknown key"), ("killed", TRANSIENT, "killed by SIGKILL")],
)
def test_the_pod_that_fails_says_why(
    what: str, code: int, says: str, port: int, tmp_path: Path
) -> None:
    (tmp_path / "a_rank.py").write_text(RANK)
    pods = [pod(index, port, tmp_path, "a_rank", what) for index in (0, 1)]
    said = [one.communicate(timeout=100)[0] for one in pods]
    assert pods[1].returncode == code and says in said[1]
    assert pods[0].returncode == 1 and "RuntimeError" in said[0], "it lost its connection"


@pytest.mark.slow
def test_a_pod_that_waits_for_the_first_hears_that_it_should_stop(
    port: int, tmp_path: Path
) -> None:
    waiting = pod(1, port, tmp_path, "a_rank", "nothing", how=("-c", WAITING))
    assert waiting.stdout and waiting.stdout.readline() == "waiting\n"
    waiting.send_signal(signal.SIGTERM)
    said = waiting.communicate(timeout=30)[0]
    assert waiting.returncode == TRANSIENT and said.startswith("palimpsest: stopped by SIGTERM")


def test_a_first_pod_that_never_comes(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchrun, "WAIT", 0.5)
    with pytest.raises(TransientError, match=f"pod 0 of this Job did not answer at .*:{port} with"):
        torchrun.reach("127.0.0.1", port)


def test_the_agent_is_told_where_the_others_are(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in torchrun.JOB:
        monkeypatch.setenv(name, {"NNODES": "3", "MASTER_PORT": str(port)}.get(name, "0"))
    arguments = torchrun.in_job()
    assert arguments[:6] == ["--nnodes", "3", "--node-rank", "0", "--nproc-per-node", "1"]
    monkeypatch.delenv("JOB_COMPLETION_INDEX")
    assert guard(torchrun.main, ["job", "training.train"]) == PERMANENT
    assert "JOB_COMPLETION_INDEX is not set: `job` is for the pods" in capsys.readouterr().err
