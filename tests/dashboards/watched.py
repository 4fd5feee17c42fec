"""A real run that a real Prometheus watches: as someone would who runs it on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.code import ROOT
from tests import servers
from tests.servers import Labels, Server

SAMPLES = ROOT / "tests" / "data" / "photos" / "images"
RULES = ROOT / "charts" / "palimpsest" / "alerts"
COMMAND = [sys.executable, "-m", "pipeline.cli"]


@dataclass(frozen=True)
class Watched:
    """What a Prometheus knows of a run from its `start` until it had `finished`, and of what an
    exporter served until the `end`: seconds since 1970."""

    server: Server
    start: float
    finished: float
    end: float
    scrape: float

    def range(self, expr: str, steps: int = 100) -> list[tuple[Labels, list[tuple[float, float]]]]:
        """The series of `expr` over the whole run, at so many moments at most."""
        step = max(self.scrape, (self.end - self.start) / steps)
        return self.server.query_range(expr, self.start, self.end, step)


@contextmanager
def watched(folder: Path, profile: str, scrape: float) -> Iterator[Watched]:
    """Run `profile` below `folder` with its metrics and the chart's alerts on a Prometheus that
    scrapes every so many seconds, then serve what stands there. Prometheus stays up until the
    end of the block."""
    live, truth = servers.free_port(), servers.free_port()
    run = ["run", "--profile", profile, "--photos", str(photographs(folder / "photos")),
           "--out", str(folder / "demo"), "--metrics-port", str(live)]  # fmt: skip
    jobs = {"run": live, "exporter": truth}
    # How full the disk of this machine is says nothing of the demo.
    rules = [path for path in sorted(RULES.glob("*.yaml")) if "Disk" not in path.stem]
    with servers.prometheus(folder, jobs, f"{scrape:.0f}s", rules) as server:
        start = time.time()
        with program(folder / "run.log", *run) as process:
            code = process.wait()
        if code:
            raise RuntimeError(f"the run failed: {(folder / 'run.log').read_text()[-2000:]}")
        finished = time.time()
        served = ["exporter", str(folder / "demo"), "--port", str(truth)]
        with program(folder / "exporter.log", *served):
            time.sleep(3 * scrape)
            yield Watched(server, start, finished, time.time(), scrape)


def photographs(folder: Path) -> Path:
    """A folder of pictures: the quarters of the sample photographs, so that there are enough to
    keep some apart from training, and one that cannot be read."""
    folder.mkdir()
    for path in sorted(SAMPLES.glob("*.jpg")):
        with Image.open(path) as picture:
            w, h = picture.width // 2, picture.height // 2
            for x, y in ((0, 0), (w, 0), (0, h), (w, h)):
                part = picture.crop((x, y, x + w, y + h))
                part.save(folder / f"{path.stem}-{x}-{y}.jpg", quality=95)
    (folder / "broken.jpg").write_text("no picture")
    return folder


@contextmanager
def program(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`palimpsest ARGUMENTS`, ended at the end of the block."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (
        log.open("wb") as out,
        subprocess.Popen([*COMMAND, *arguments], stdout=out, stderr=out, env=environment) as found,
    ):
        try:
            yield found
        finally:
            found.terminate()
