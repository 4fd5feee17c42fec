"""One stage as a process: forked from a server that has the heavy imports loaded, or torchrun."""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipeline.code import ROOT
from pipeline.errors import guard

#: Started with the number of processes, the module and its arguments; keeps our exit codes.
TORCHRUN = "training.torchrun"
#: What the fork server imports for stages of each dependency set (images/).
PRELOAD = {"base": "jobs.preload", "editor": "jobs.preload_editors", "train": "training.preload"}
#: One thread per library in each process: stages run side by side, and results do not depend on
#: how many cores there are. The last line: a stage that was stopped has nothing to tidy up.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
}


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, so that no orphan goes on working."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _enter(module: str, argv: list[str], log: str, progress: str) -> None:
    """In the forked process: send all output to the log and run the stage's main."""
    die_with_parent()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.environ["ARGO_PROGRESS_FILE"] = progress
    sys.exit(guard(importlib.import_module(module).main, argv))


class Child:
    """Starts at once. `share()` is how much of its work is done, 0 to 1."""

    def __init__(
        self, module: str, argv: list[str], processes: int, log: Path, images: set[str]
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self._progress = log.with_suffix(".log"), log.with_suffix(".progress")
        self._progress.unlink(missing_ok=True)
        self._begun = time.monotonic()
        self.seconds = 0.0
        self._torchrun: subprocess.Popen[bytes] | None = None
        self._fork: multiprocessing.process.BaseProcess | None = None
        os.environ.update(ENVIRONMENT)
        if processes:
            self._torchrun = self._run_torch(module, argv, processes)
        else:
            server = multiprocessing.get_context("forkserver")
            server.set_forkserver_preload([PRELOAD[one] for one in sorted(images & set(PRELOAD))])
            self._fork = server.Process(
                target=_enter, args=(module, argv, str(self.log), str(self._progress))
            )
            self._fork.start()

    def _run_torch(self, module: str, argv: list[str], processes: int) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", TORCHRUN, str(processes), module, *argv]
        env = os.environ | {"ARGO_PROGRESS_FILE": str(self._progress), "PYTHONPATH": path}
        with open(self.log, "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                    env=env, preexec_fn=die_with_parent)  # fmt: skip

    @property
    def exitcode(self) -> int | None:
        if self._torchrun:
            return self._torchrun.returncode
        return self._fork.exitcode if self._fork else None

    def poll(self) -> int | None:
        if self._torchrun:
            self._torchrun.poll()
        if self.exitcode is not None:
            self.seconds = time.monotonic() - self._begun
        return self.exitcode

    def stop(self) -> None:
        """SIGTERM, then wait; nothing committed is lost."""
        process = self._torchrun or self._fork
        assert process is not None
        process.terminate()
        if self._torchrun:
            self._torchrun.wait()
        elif self._fork:
            self._fork.join()

    def share(self) -> float:
        try:
            done, total = self._progress.read_text().split("/")
            return int(done) / int(total)
        except (OSError, ValueError, ZeroDivisionError):
            return 0.0

    def last_words(self, lines: int) -> str:
        try:
            said = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return "\n".join(said[-lines:])
