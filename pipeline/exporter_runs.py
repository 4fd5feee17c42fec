"""What stands in run folders, as a collector of prometheus_client: read anew on each scrape.

A place is the folder of a run, or one that holds such folders; a run that appears there is found by
the next scrape, and one that was deleted is forgotten.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import metrics
from pipeline.errors import PalimpsestError
from pipeline.metrics import Metric
from pipeline.run_metrics import Run, Series
from pipeline.run_metrics_read import Version, Warnings
from pipeline.stage import read_run

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

CONFIG = "config.yaml"
#: Any of these in a folder, and it is or was a run.
SIGNS = (CONFIG, "run.json", "shards")
SERVED = tuple(one for name, one in metrics.ALL.items()
               if name.startswith(("palimpsest_run_", "palimpsest_disk_")))  # fmt: skip


class Runs:
    """A collector; one scrape at a time looks at the disk. What cannot be read is left out, and
    said once to `warnings`."""

    def __init__(self, places: Sequence[Path], warnings: Warnings | None = None) -> None:
        self.places, self.warnings = places, warnings or Warnings()
        self._lock = threading.RLock()
        self._known: dict[Path, tuple[Version, Run | None]] = {}

    def describe(self) -> Iterator[Family]:
        return map(_family, SERVED)

    def collect(self) -> Iterator[Family]:
        found: dict[Metric, dict[tuple[str, ...], float]] = {}
        with self._lock:
            for metric, labels, value in self._series():
                found.setdefault(metric, {})[labels] = value
        for metric in SERVED:
            if metric in found:
                yield _family(metric, found[metric].items())

    def found(self) -> list[Run]:
        """The runs that can be read, each name once: it is what tells their series apart."""
        with self._lock:
            return self._found()

    def _found(self) -> list[Run]:
        runs: dict[str, Run] = {}
        folders = {os.path.realpath(one): None for place in self.places for one in self._in(place)}
        for path in self._known.keys() - {Path(folder) for folder in folders}:
            del self._known[path]
        for folder in map(Path, folders):
            if run := self._run(folder):
                other = runs.setdefault(run.name, run)
                if other is not run:
                    self.warnings.once(folder, f"{folder} bears the name of {other.folder.path}: "
                                       "rename one of them, or serve them apart")  # fmt: skip
        return list(runs.values())

    def _series(self) -> Iterator[Series]:
        for run in self.found():
            try:
                yield from list(run.series())
            except (PalimpsestError, OSError) as error:
                self.warnings.once(run.folder.path, error)
        yield from self._disks()

    def _in(self, place: Path) -> list[Path]:
        """The folders of runs at a place: itself, or those that lie in it."""
        if any(os.path.isfile(place / name) for name in (CONFIG, "run.json")):
            return [place]
        try:
            with os.scandir(place) as entries:
                inside = [Path(entry.path) for entry in entries if entry.is_dir()]
        except OSError as error:
            why = f"{place} cannot be read ({error.strerror}): give the folder of a run, or one "
            self.warnings.once(place, why + "that holds runs")
            return []
        found = [one for one in inside if any(os.path.exists(one / sign) for sign in SIGNS)]
        if not found:
            self.warnings.once(place, f"{place} is no run and holds none yet")
        return sorted(found)

    def _run(self, folder: Path) -> Run | None:
        """The run in a folder, made anew when its config changes; None if that cannot be read."""
        try:
            status = (folder / CONFIG).stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._known.get(folder)
            if known is None or known[0] != version:
                self._known[folder] = version, None
                known = version, Run(folder, read_run(folder), self.warnings)
                self._known[folder] = known
            return known[1]
        except FileNotFoundError:
            self.warnings.once(folder, f"{folder} is not a run: it has no {CONFIG}")
        except (PalimpsestError, OSError) as error:
            self.warnings.once(folder / CONFIG, error)
        return None

    def _disks(self) -> Iterator[Series]:
        """Each file system once, by the first place on it."""
        seen: set[int] = set()
        for place in self.places:
            try:
                device, disk = os.stat(place).st_dev, os.statvfs(place)
            except OSError:
                continue  # `_in` has said it
            if device not in seen:
                seen.add(device)
                path = os.path.realpath(place)
                yield metrics.DISK_FREE, (path,), disk.f_bavail * disk.f_frsize
                yield metrics.DISK_SIZE, (path,), disk.f_blocks * disk.f_frsize


def _family(
    metric: Metric, series: Iterable[tuple[tuple[str, ...], float]] = ()
) -> Family:  # fmt: skip
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in series:
        family.add_metric(labels, value)
    return family
