"""Seconds as a run has measured them, instead of the cards': of a small one that is finished, or of
a large one that is on its way.

They are scaled by the number of samples and by nothing else. So the pilot must have the sizes, the
steps and the GPUs of the run that is planned; `Pilot.differs` says where it has not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.config import Config
from pipeline.dag import checked
from pipeline.devices import Gpu, known
from pipeline.errors import InputError
from pipeline.estimate import START, Work, model, works
from pipeline.manifest import Manifest
from pipeline.shards import RunFolder
from pipeline.stage import Stage, read_run


@dataclass
class Rate:
    """What was measured of one stage, or of all stages that are alike: samples, the seconds of all
    attempts less those of loading models, bytes, and the seconds of each load."""

    samples: float = 0.0
    seconds: float = 0.0
    bytes: float = 0.0
    loads: list[float] = field(default_factory=list)

    def add(self, manifest: Manifest, samples: float) -> None:
        """A shard. Samples that were taken over from a killed attempt cost what they cost there."""
        attempt, loading = manifest.attempt, manifest.attempt.phases.get("load", 0.0)
        self.samples += samples
        self.seconds += max(0.0, attempt.seconds + attempt.salvaged_seconds - loading)
        self.bytes += manifest.bytes
        if loading > 0:
            self.loads.append(loading)


@dataclass(frozen=True)
class Pilot:
    """`kept`: the share of its scored samples that passed, None before any was scored. `rates`: by
    stage and model; `alike`: by module and model, for stages that the pilot has not come to."""

    path: Path
    config: Config
    rates: dict[tuple[str, str], Rate]
    alike: dict[tuple[str, str], Rate]
    kept: float | None
    gpus: Counter[str]

    def applied(self, works: Sequence[Work]) -> list[Work]:
        """The same works by what was measured; those of no such stage stay as they are."""
        return [self._applied(work) for work in works]

    def _applied(self, work: Work) -> Work:
        found = self.rates.get((work.stage.name, work.model))
        if not found or not found.samples:
            found = self.alike.get((work.stage.module, work.model))
        if not found or not found.samples:
            return work
        start = START if work.gpus else 0.0
        loads = sum(found.loads) / len(found.loads) + start if found.loads else work.load
        return replace(work, seconds=found.seconds / found.samples, load=loads, source="run",
                       bytes=work.count * found.bytes / found.samples)  # fmt: skip

    def differs(self, config: Config, gpu: Gpu | None) -> Iterator[str]:
        """In what the pilot is another kind of run than the one planned."""
        for name, mine, asked in (
            ("bases.resolution", self.config.bases.resolution, config.bases.resolution),
            ("editing.steps", self.config.editing.steps, config.editing.steps),
            ("editing.weights", self.config.editing.weights, config.editing.weights),
            ("editing.dtype", self.config.editing.dtype, config.editing.dtype),
            ("editing.batch", self.config.editing.batch, config.editing.batch),
        ):
            if mine != asked:
                plain = "as on the cards"
                yield f"{name} is {mine or plain} there, {asked or plain} here"
        for name in sorted(self.gpus) if gpu else ():
            if gpu and known(name) != gpu:
                yield f"it ran on {name or 'CPUs'}, not on {gpu.name}"


def pilot(path: Path, gpu: Gpu) -> Pilot:
    """What stands in a run folder. An InputError for a folder that is no run, or has no shard."""
    config, folder = read_run(path), RunFolder(path)
    stages = checked(config)
    counts = {one.stage.name: one.count for one in works(stages, config, replace(gpu, gib=10**6))}
    rates: dict[tuple[str, str], Rate] = defaultdict(Rate)
    alike: dict[tuple[str, str], Rate] = defaultdict(Rate)
    gpus, judged = Counter[str](), Counter[str]()
    for stage, manifest in _committed(folder, config, stages):
        each = float(len(manifest.ids_in)) if stage.scope == "shard" else counts[stage.name]
        who = _model(stage, config)
        for rate in (rates[stage.name, who], alike[stage.module, who]):
            rate.add(manifest, each)
        if stage.module.startswith(("jobs.edit", "training.train")):
            gpus[manifest.attempt.gpu] += 1
        if stage.module == "jobs.score":
            judged["planned"] += len(stage.keys(config, manifest.shard))
            judged["out"] += manifest.counts()["out"]
    if not rates:
        raise InputError(f"--like {path}: nothing is committed in this run yet: wait for its first "
                         "shards, or give another run")  # fmt: skip
    kept = judged["out"] / judged["planned"] if judged["out"] else None
    return Pilot(path, config, dict(rates), dict(alike), kept, gpus)


def _committed(
    folder: RunFolder, config: Config, stages: Sequence[Stage]
) -> Iterator[tuple[Stage, Manifest]]:
    for stage in stages:
        for shard in stage.shards(config):
            if folder.committed(stage.name, shard):
                yield stage, folder.manifest(stage.name, shard)


def _model(stage: Stage, config: Config) -> str:
    given = stage.given
    return given.get("--detector") or model(stage, config)[1]
