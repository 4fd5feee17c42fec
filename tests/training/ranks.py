"""`python -m tests.training.ranks SIZE RUN PLAN...`: train in SIZE ranks, once for each word of the
plan, and be killed as it says; the last word should be `end`.

A torchrun in small, so that libraries are imported once for all attempts: an agent that starts the
ranks, ends all when one ends, and is killed outright itself. Prints each attempt's exit codes, and
fails if a process is left.

    rank-R-S      rank R is killed before step S
    hang-R-S      rank R stops answering there, and is ended like the others
    agent-S       the agent is killed when the checkpoint of step S is there
    write-S       rank 0 is killed with half of the checkpoint of step S written
    rename-S      rank 0 is killed when that checkpoint has its name, but older ones are still there
    end           nothing happens
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

# The unused ones, so that no rank need import them after it was forked.
import torch
import torch.utils.tensorboard

import pipeline.dag  # noqa: F401
import training.detectors.deeplabv3plus
import training.pixel_kernels  # noqa: F401
from pipeline import disk
from pipeline.errors import guard
from tests.training import tiny
from training import checkpoint, ddp, detectors, loop, train

TASK = ["--detector", "deeplabv3plus", "--task", "binary"]
HANG = timedelta(seconds=4)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def rank(number: int, plan: str) -> None:
    """Prepare this process for what will happen to it."""
    what, *where = plan.split("-")
    at = [int(one) for one in where]
    advance: Callable[..., None] = loop.Training.advance
    save = checkpoint.save

    def advancing(self: loop.Training, batches: Any) -> None:
        if self.step + 1 == at[1]:
            die() if what == "rank" else os.kill(os.getpid(), signal.SIGSTOP)
        advance(self, batches)

    def half(target: Path, data: bytes) -> Path:
        target.with_name(f".{target.name}.{'0' * 32}").write_bytes(data[: len(data) // 2])
        die()

    def saving(folder: Path, state: dict[str, Any]) -> Path:
        if state["step"] == at[0]:
            disk.write_aside = half if what == "write" else disk.write_aside
            if what == "rename":
                disk.system.sync_folder = lambda folder: die()  # type: ignore[method-assign]
        return save(folder, state)

    if what in ("rank", "hang") and number == at[0]:
        loop.Training.advance = advancing  # type: ignore[method-assign]
    if what in ("write", "rename"):
        checkpoint.save = saving


def agent(size: int, run: str, plan: str, pids: int) -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    os.environ.update(WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
                      TORCHELASTIC_RUN_ID="small")  # fmt: skip
    ranks = []
    for number in range(size):
        ranks.append(os.fork())
        if not ranks[-1]:
            os.environ["RANK"] = str(number)
            rank(number, plan)
            os._exit(guard(train.main, ["--run", run, *TASK]))
    os.write(pids, " ".join(map(str, ranks)).encode())
    codes = {}
    while len(codes) < size:
        pid, status = os.wait()
        codes[pid] = os.waitstatus_to_exitcode(status)
        for other in set(ranks) - set(codes) if codes[pid] else ():
            os.kill(other, signal.SIGKILL)
    sys.stdout.write(f"codes {[codes[pid] for pid in ranks]}\n")
    sys.stdout.flush()
    return 0


def attempt(size: int, run: str, plan: str) -> None:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os._exit(guard(lambda argv: agent(size, run, plan, writing), []))
    ranks = [int(pid) for pid in os.read(reading, 1000).split()]
    if plan.startswith("agent-"):
        step = int(plan.removeprefix("agent-"))
        while not list(Path(run).glob(f"checkpoints/*/step-{step:06d}-*.pt")):
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for pid in ranks if plan.startswith("agent-") else ():
        os.waitpid(pid, 0)  # ours now, and ended with their agent
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    sys.exit("a process is left")


def main(size: str, run: str, *plans: str) -> None:
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans become ours
    torch.set_num_threads(1)
    ddp.TIMEOUT = HANG
    detectors.build = tiny.build
    for plan in plans:
        attempt(int(size), run, plan)


if __name__ == "__main__":
    main(*sys.argv[1:])
