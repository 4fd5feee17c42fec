"""One stage as a process: forked from a server that has the heavy imports loaded, or torchrun."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

from pipeline import live, pulse, sockets
from pipeline.code import ROOT
from pipeline.errors import AGAIN, BUG, MEMORY, TRANSIENT, TransientError, guard
from pipeline.parent import die_with_parent
from pipeline.stage import Stage

#: Started with the number of processes, the module and its arguments; keeps our exit codes.
TORCHRUN = "training.torchrun"
#: What the fork server imports for a stage: by its module, else by its dependency set (images/).
PRELOAD = {
    "base": "jobs.preload",
    "editor": "jobs.preload_editors",
    "train": "training.preload_detectors",
    "training.report": "training.preload",
}
#: One thread per library in each process: stages run side by side, and results do not depend on
#: how many cores there are. The last line: a stage that was stopped has nothing to tidy up.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
}
#: Seconds that a stage has to end in when it is told to.
GRACE = 10.0
#: Fork servers to try, one after another, to start a stage from.
SERVERS = 5
#: What multiprocessing says of a process whose fork server died, which takes it along.
SERVER_GONE = 255


def preloads(stages: Iterable[Stage]) -> list[str]:
    """What the fork server should import for `stages`; torch only if one of them will use it."""
    forked = [stage for stage in stages if not stage.processes]
    keys = {stage.module if stage.module in PRELOAD else stage.image for stage in forked}
    return sorted(PRELOAD[key] for key in keys & set(PRELOAD))


def _end_with_executor() -> None:
    """The parent that the kernel knows is the fork server, which lives as long as any of us; only
    on Linux does it end before (pipeline/tied.py)."""
    executor = multiprocessing.parent_process()
    assert executor is not None
    executor.join()
    os._exit(TRANSIENT)


def told(progress: Path) -> dict[str, str]:
    """Where a process shall say how far it is, and how many samples it worked at."""
    return {pulse.FILE: str(progress), pulse.SAMPLES_FILE: str(progress.with_suffix(".samples"))}


def _enter(module: str, argv: list[str], log: str, progress: str, metrics: str) -> None:
    """In the forked process: send all output to the log and run the stage's main."""
    die_with_parent()
    threading.Thread(target=_end_with_executor, daemon=True).start()
    os.environ.update(told(Path(progress)))
    live.write_to(metrics)

    def main(argv: list[str]) -> int:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(handle, stream)
        code: int = importlib.import_module(module).main(argv)
        return code

    sys.exit(guard(main, argv))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started inside does not hear Ctrl-C, which a terminal sends to everyone: the executor
    alone does, and stops the others. Blocked, not ignored: one that comes now is heard after."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Child:
    """Starts at once. `share()` is how much of its work is done, 0 to 1."""

    def __init__(
        self, module: str, argv: list[str], processes: int, log: Path, preload: Sequence[str]
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self._progress = log.with_suffix(".log"), log.with_suffix(".progress")
        self._samples = log.with_suffix(".samples")
        for file in (self._progress, self._samples):
            file.unlink(missing_ok=True)
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        self.seconds = 0.0
        self._torchrun: subprocess.Popen[bytes] | None = None
        self._fork: multiprocessing.process.BaseProcess | None = None
        os.environ.update(ENVIRONMENT)
        if processes:
            self._torchrun = self._run_torch(module, argv, processes)
        else:
            self._fork = self._run_fork(module, argv, preload)
        self._begun = time.monotonic()  # the first of all has waited for the server's imports

    def _run_fork(
        self, module: str, argv: list[str], preload: Sequence[str]
    ) -> multiprocessing.process.BaseProcess:
        sockets.shorten()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pipeline.tied", "prometheus_client", *preload])
        resource_tracker.ensure_running()  # by itself, as it unblocks what is blocked below
        files = (str(self.log), str(self._progress), os.environ.get(live.FOLDER, ""))
        for again in range(SERVERS):
            process = context.Process(target=_enter, args=(module, argv, *files))
            try:
                with _uninterrupted():
                    forkserver.ensure_running()
                process.start()
                return process
            except (EOFError, ConnectionError):  # the server was killed; the next try has another
                time.sleep(0.1 * again)
        raise TransientError("the process that starts the stages is killed again and again, "
                             f"perhaps for want of memory: {MEMORY}, then {AGAIN}")  # fmt: skip

    def _run_torch(self, module: str, argv: list[str], processes: int) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", TORCHRUN, str(processes), module, *argv]
        env = os.environ | {**told(self._progress), "PYTHONPATH": path}
        with open(self.log, "ab") as log, _uninterrupted():
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                    env=env, preexec_fn=die_with_parent)  # fmt: skip

    @property
    def exitcode(self) -> int | None:
        if self._torchrun:
            return self._torchrun.returncode
        code = self._fork.exitcode if self._fork else None
        return -signal.SIGKILL if code == SERVER_GONE else code

    def poll(self) -> int | None:
        if self._torchrun:
            self._torchrun.poll()
        if self.exitcode is not None:
            self.seconds = time.monotonic() - self._begun
        return self.exitcode

    def end(self, force: bool) -> None:
        """SIGTERM, or with `force` SIGKILL; does not wait. A process that has ended is let be."""
        process = self._torchrun or self._fork
        assert process is not None
        if force:
            process.kill()
        else:
            process.terminate()

    def share(self) -> float:
        try:
            done, total = self._progress.read_text().split("/")
            return int(done) / int(total)
        except (OSError, ValueError, ZeroDivisionError):
            return 0.0

    def samples(self) -> int:
        """How many it worked at so far; 0 of a stage that has none."""
        try:
            return int(self._samples.read_text())
        except (OSError, ValueError):
            return 0

    def last_words(self, code: int) -> str:
        """What this process said of its end: the traceback of a bug; of anything else its one
        sentence, or if there is none, the last two lines. "" if it said nothing."""
        try:
            with open(self.log, "rb") as log:
                log.seek(self._said_before)
                said = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        sentences = [line for line in said if line.startswith("palimpsest: ")]
        if code == BUG:
            return "\n".join(said[-12:])
        return sentences[-1] if sentences else "\n".join(said[-2:])


def stop(children: Collection[Child]) -> None:
    """Ask all to end, and make those that have not after `GRACE` seconds. Nothing committed is
    lost: tidying up is all that a killed stage leaves undone."""
    for force in (False, True):
        for child in children:
            if child.poll() is None:
                child.end(force)
        deadline = time.monotonic() + GRACE
        while any(child.poll() is None for child in children) and time.monotonic() < deadline:
            time.sleep(0.02)
