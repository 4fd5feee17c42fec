"""What each stage of a config has to do, and how long that takes: before anything has been run.

A picture's work is on its model's card, a GPU's speed in pipeline/devices.py. Nothing here was
measured but the seconds of a CPU; with a pilot run (pipeline/estimate_like.py) all is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.cards import Card, Role, card
from pipeline.config import Config
from pipeline.devices import Gpu
from pipeline.errors import ConfigError
from pipeline.estimate_counts import KEPT, count, passes
from pipeline.estimate_training import trained
from pipeline.stage import Stage

#: Pictures for which the cards' figures hold, by their side in pixels.
SIDE = 1024
#: Seconds until a pod has its process and its imports, and GiB of weights that it reads in a
#: second. Taken, not measured; `Card.gpu_gib` stands for the weights, which are less.
START, READ = 20.0, 2.0
#: Seconds of one CPU for one sample of 1024 px, by module: measured on 24 samples, on two shared
#: cores of a server. Where a model would be asked, they are those of its classical stand-in.
CPU = {
    "jobs.ingest": 0.041, "jobs.imported": 0.05, "jobs.reals": 0.033, "jobs.plan": 0.001,
    "jobs.assemble": 0.05, "jobs.index": 0.003, "jobs.propose": 0.05, "jobs.segment": 0.09,
    "jobs.prompt": 0.026, "jobs.score": 0.12, "training.report": 3.0,
}  # fmt: skip
#: Of these, the ones whose work is not on pixels.
ANY_SIZE = ("jobs.plan", "jobs.index", "training.report")
#: The same of an edit by the classical editors, and of one step of an editor of tiny weights (at
#: 128 px or less, as the demo has it).
EDITORS = {"clone": 0.06, "heal": 1.2}
TINY_STEP, TINY_SIDE = 0.04, 128
#: TFLOP/s of one CPU core in float32, as measured on a step of training.
CORE = 0.067
#: Bytes that a stage commits of a sample of 1024 px, by module: measured on the same samples.
BYTES = {
    "jobs.ingest": 0.8e6, "jobs.generate": 1e6, "jobs.edit": 1e6, "jobs.replay": 1e6,
    "jobs.assemble": 1e6, "jobs.imported": 1e6, "jobs.reals": 0.85e6, "jobs.segment": 8e3,
}  # fmt: skip
#: Where a module's model is named, if not by its family.
ASKED: dict[str, Role] = {"jobs.propose": "vlms", "jobs.prompt": "vlms", "jobs.score": "vlms",
                          "jobs.segment": "segmenters"}  # fmt: skip
Source = Literal["card", "constant", "run", "none"]


@dataclass(frozen=True, slots=True)
class Work:
    """`count` samples of `seconds` each on what a pod holds, `gpus` of them (0 = a CPU), after
    `load` seconds in each pod that has any. `model` is who works there, "" = nobody; `bytes` are
    committed in all. `source`: whether the seconds are a card's, a constant's of this file, or
    those of a pilot run; "none" where the card has no figure."""

    stage: Stage
    count: float
    seconds: float
    load: float
    bytes: float
    model: str
    source: Source
    gpus: int

    def pod(self, share: float) -> float:
        """Seconds of a pod that has so large a share of the samples."""
        return self.load + self.count * share * self.seconds if self.count * share > 0 else 0.0


def works(
    stages: Sequence[Stage], config: Config, gpu: Gpu, kept: float = KEPT
) -> list[Work]:  # fmt: skip
    """The work of each stage on such GPUs, if a share of `kept` samples pass. A ConfigError names
    the models that need more memory than such a GPU has."""
    small = {
        _option(stage, "detector") or model(stage, config)[1]: stage.gpu_gib
        for stage in stages
        if stage.gpu_gib > gpu.gib
    }
    if small:
        named = ", ".join(f"{name} ({gib} GiB)" for name, gib in small.items())
        raise ConfigError(f"--gpus: {gpu.name} has {gpu.gib} GiB of memory, too little for {named}"
                          ": choose a larger GPU, or leave them out of the profile")  # fmt: skip
    return [work(stage, config, gpu, kept) for stage in stages]


def work(stage: Stage, config: Config, gpu: Gpu, kept: float = KEPT) -> Work:
    """Of one stage, however much memory it needs."""
    number = count(stage, config, kept)
    if stage.trained and stage.module != "training.report":
        number, pflop, section, least = trained(stage, config, kept)
        each = max(least, _of(pflop, stage, gpu, section.dtype))
        name = _option(stage, "detector")
        source: Source = "card" if pflop else "none"
        return Work(stage, number, each, load(stage), 0.0, name, source, held(stage))
    side = config.bases.resolution
    size = BYTES.get(stage.module, 1.5e3) * (side / SIDE) ** 2
    role, name = model(stage, config)
    facts = card(role, name) if name else Card("", "base")
    done = Work(stage, number, 0.0, load(stage), number * size, name, "constant", held(stage))
    if not facts.repos or config.editing.weights == "tiny":
        return replace(done, seconds=_standin(stage, config, name))
    dtype = "float32" if role == "segmenters" else config.editing.dtype
    each = _of(pictures(stage, config) * pflop_of(facts, stage, config), stage, gpu, dtype)
    return replace(done, seconds=each, source="card" if facts.pflop else "none")


def check(works: Sequence[Work]) -> None:
    """A ConfigError for a model of which neither its card nor a run says what it takes."""
    for one in works:
        if one.source == "none" and one.count:
            raise ConfigError(f"{one.stage.name}: the card of {one.model} has no `pflop`: see "
                              "docs/adding-a-model.md, or plan with --like RUN of a small run "
                              "that has it")  # fmt: skip


def held(stage: Stage) -> int:
    """How many GPUs a pod of this stage holds."""
    kind, number = stage.holds
    return number if kind == "gpu" else 0


def sample_seconds(stage: Stage, config: Config, gpu: Gpu) -> float | None:
    """What one sample should take of a stage over shards by its model's card, None where that is
    not known: nothing on a CPU, by tiny weights, or of a card without a figure."""
    if not model(stage, config)[1] or not stage.gpu_gib or stage.trained:
        return None
    found = work(stage, config, gpu)
    return found.seconds if found.source == "card" else None


def model(stage: Stage, config: Config) -> tuple[Role, str]:
    """The model that works at a stage over shards, "" if none does."""
    role = ASKED.get(stage.module, "editors")
    return role, {"vlms": config.vlm, "segmenters": config.segmenter}.get(role, stage.family)


def pictures(stage: Stage, config: Config) -> float:
    """Edits of one pass, questions or pictures in one sample of a stage."""
    if stage.module in ("jobs.edit", "jobs.replay"):
        return passes(config)
    return 2.0 if stage.module == "jobs.propose" and config.asking.control else 1.0


def pflop_of(facts: Card, stage: Stage, config: Config) -> float:
    """Of one edit, question or picture, at the config's size and steps."""
    side = config.bases.resolution
    if stage.module in ASKED:
        side = min(side, config.asking.side)
    area = 1.0 if facts.fixed_size else (side / SIDE) ** 2
    steps = config.editing.steps
    if stage.module in ASKED or not steps or _option(stage, "variant") == stage.family:
        return facts.pflop * area
    return facts.pflop * area * steps / facts.steps


def load(stage: Stage) -> float:
    """Seconds until a pod works."""
    return START + stage.gpu_gib / READ if stage.gpu_gib else 0.0


def _of(pflop: float, stage: Stage, gpu: Gpu, dtype: str) -> float:
    """Seconds of all that a stage holds together."""
    kind, number = stage.holds
    alone = gpu.seconds(pflop, dtype) if kind == "gpu" else pflop * 1000 / CORE
    return alone / number


def _standin(stage: Stage, config: Config, name: str) -> float:
    """Seconds of a CPU, of what has no weights or tiny ones."""
    side = config.bases.resolution
    if stage.module in CPU:
        return CPU[stage.module] * (1 if stage.module in ANY_SIZE else (side / SIDE) ** 2)
    if name in EDITORS:
        return EDITORS[name] * (side / SIDE) ** 2
    steps = config.editing.steps or card("editors", name).steps
    return TINY_STEP * steps * max(1.0, (side / TINY_SIDE) ** 2) * pictures(stage, config)


def _option(stage: Stage, name: str) -> str:
    return stage.given.get(f"--{name}", "")
