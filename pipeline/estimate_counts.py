"""How many pictures, or questions, each stage of a config will have in its hands.

Every planned turn is taken to be painted: pictures that a stage declines would make it fewer.
"""

from __future__ import annotations

from math import ceil

from pipeline.config import Config
from pipeline.stage import Stage

#: Of the samples that are planned, those that are kept: the paper keeps 30,000 of 60,000.
KEPT = 0.5


def planned(images: int, kept: float = KEPT) -> int:
    """How many samples to plan so that `images` are kept."""
    return ceil(images / kept)


def reaching(config: Config, turn: int) -> float:
    """The share of samples that have a turn of this number."""
    return sum(w for n, w in config.turns.items() if n >= turn) / sum(config.turns.values())


def passes(config: Config) -> float:
    """Passes of an editor for one edit: an addition first removes what is there."""
    kinds = config.edit_types
    return 1 + kinds.get("addition", 0.0) / sum(kinds.values())


def count(stage: Stage, config: Config, kept: float) -> float:
    """Samples that a stage works at, over all partitions; 1 of a stage that works at a whole run
    at once, but for the index."""
    if stage.module == "jobs.index":
        return config.samples * kept + config.reals.total
    if stage.scope == "run":
        return 1.0
    if stage.of == "reals":
        return float(config.reals.total)
    return config.samples * _share(stage, config, kept)


def _share(stage: Stage, config: Config, kept: float) -> float:
    """Of all samples, those that a stage over shards answers for."""
    given = stage.given
    families, turn = len(config.families), int(given.get("--turn", 0))
    if stage.module == "jobs.generate":
        return config.bases.ai_share / families
    if stage.module == "jobs.prompt":
        return reaching(config, turn)
    if stage.module == "jobs.edit":
        return reaching(config, turn) / families
    if stage.module == "jobs.replay":
        return kept * config.val_share * _replayed(config, given, turn)
    if split := given.get("--split"):
        val = config.val_share
        return {"train": kept * (1 - val), "val": kept * val, "filtered": 1 - kept}[split]
    return 1.0


def _replayed(config: Config, given: dict[str, str], turn: int) -> float:
    """Of the finished val samples, those whose `turn` this painter paints again: that of the family
    that is replaced, and all after it. Nobody paints twice in a sample while others have not."""
    families = len(config.families)
    by_one = reaching(config, turn) / families
    if given["--family"] == given["--variant"]:
        return by_one
    return by_one * (turn - 1) / max(1, families - 1)
