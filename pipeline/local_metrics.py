"""`palimpsest run --metrics-port`: one endpoint for all processes of a run on this machine.

Each process writes its figures to files of its own in a folder for the time of the run
(prometheus_client's multiprocess mode), where they outlive it: a counter goes on to count what
ended processes did. A figure that only meant something while its process lived is removed with it.
What stands in the run's folder is served beside them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import exporter, live
from pipeline.exporter_runs import Runs
from pipeline.run_metrics_read import Silent

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

ADDRESS = "127.0.0.1"
#: Bytes with which a file of figures begins; one that is shorter was only just made.
HEAD = 8
LIVE = "gauge_live"


@contextmanager
def served(port: int | None, out: Path) -> Iterator[Callable[[], None]]:
    """Serve the run in `out`, which need not be begun, until the end; with no port, nothing. Gives
    what is to be called when a process has ended. A ConfigError if the port cannot be had."""
    os.environ.pop(live.FOLDER, None)
    if port is None:
        yield lambda: None
        return
    folder = Path(tempfile.mkdtemp(prefix="palimpsest-metrics-"))
    os.environ[live.FOLDER] = str(folder)  # for all processes to come
    try:
        import prometheus_client as prometheus

        registry = prometheus.CollectorRegistry()
        registry.register(Processes(folder))
        registry.register(Runs([out], Silent()))  # a run on this machine says itself what is wrong
        server = exporter.serve(registry, port, ADDRESS, "--metrics-port")
        try:
            print(f"metrics on {exporter.url(server)}", flush=True)
            yield lambda: bury(folder)
        finally:
            server.shutdown()
            server.server_close()
    finally:
        os.environ.pop(live.FOLDER, None)
        shutil.rmtree(folder, ignore_errors=True)


class Processes:
    """A collector of what all processes wrote, those that have ended among them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def describe(self) -> tuple[()]:
        return ()

    def collect(self) -> Iterator[Family]:
        from prometheus_client.multiprocess import MultiProcessCollector

        bury(self.folder)
        files = [str(path) for path in sorted(self.folder.glob("*.db")) if _size(path) >= HEAD]
        with suppress(FileNotFoundError):  # the run has just ended
            yield from MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]


def bury(folder: Path) -> None:
    """Remove the figures of processes that live no more and meant their life: GPU memory in use,
    say. Also of those that nobody waits for, such as torchrun's."""
    for path in folder.glob(f"{LIVE}*.db"):
        number = path.stem.rpartition("_")[2]
        if not number.isdecimal() or not _lives(int(number)):
            path.unlink(missing_ok=True)


def _lives(number: int) -> bool:
    """Whether the process works: one that has ended and was not waited for does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX"
    try:
        os.kill(number, 0)  # where there is no /proc
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
