"""Which photographs samples are made from, and which nobody edits: never the same one.

Pure in (config, photographs). Unedited photographs are taken from the end of the keyed order in
which samples use them, so that the samples stay what they are as long as there are enough. With too
few, random crops share them out in proportion to the pictures that each has to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jobs.coco import Photographs
from pipeline.config import Config
from pipeline.documents import Split
from pipeline.errors import ConfigError
from pipeline.seeds import ranked

SPLITS: tuple[Split, Split] = ("train", "val")
Part = Literal["unedited", "negative"]


@dataclass(frozen=True, slots=True)
class Reserve:
    """Source ids in keyed order. `samples` may take from the first list; `pools` are those of the
    pictures that nobody edits, by (part, split)."""

    samples: list[str]
    pools: dict[tuple[Part, Split], list[str]]


def wanted(config: Config) -> dict[tuple[Part, Split], int]:
    """How many unedited pictures there are to be: "unedited" ones to train with alone, negatives in
    both splits, as the sources are (of two or more, one at least in each)."""
    negatives = config.reals.negatives
    val = min(max(1, round(config.val_share * negatives)), negatives - 1) if negatives else 0
    found: dict[tuple[Part, Split], int] = {
        ("unedited", "train"): config.reals.unedited,
        ("negative", "train"): negatives - val,
        ("negative", "val"): val,
    }
    return {which: count for which, count in found.items() if count}


def kind(config: Config, key: str) -> tuple[Part, Split, int]:
    """Part and split of an unedited picture, and its number among its like. Those of val lie evenly
    among the negatives."""
    number = int(key) - config.samples
    if number < config.reals.unedited:
        return "unedited", "train", number
    number -= config.reals.unedited
    val, total = wanted(config).get(("negative", "val"), 0), config.reals.negatives
    before = number * val // total
    if (number + 1) * val // total > before:
        return "negative", "val", before
    return "negative", "train", number - before


def reserve(config: Config, photographs: Photographs) -> Reserve:
    """Raises a ConfigError with the numbers if there are too few photographs."""
    order = ranked(config.seed, "source", photographs.photos)
    demand = wanted(config)
    if not demand:
        return Reserve(order, {})
    sides = {split: [one for one in reversed(order) if photographs.split[one] == split]
             for split in SPLITS}  # fmt: skip
    taken = _distinct(config, order, sides, demand) or _shared(config, sides, demand)
    pools = {}
    for split, sources in sides.items():
        first = 0
        for which in [which for which in demand if which[1] == split]:
            pools[which] = sources[first : first + taken[which]]
            first += taken[which]
    apart = {source for pool in pools.values() for source in pool}
    return Reserve([source for source in order if source not in apart], pools)


def _distinct(
    config: Config, order: list[str], sides: Mapping[Split, list[str]],
    demand: dict[tuple[Part, Split], int],
) -> dict[tuple[Part, Split], int] | None:  # fmt: skip
    """One photograph for each picture, if every sample can have one of its own, too."""
    for split, sources in sides.items():
        needed = sum(count for which, count in demand.items() if which[1] == split)
        if needed > len(sources):
            return None
    return demand if _made(config) + sum(demand.values()) <= len(order) else None


def _shared(
    config: Config, sides: Mapping[Split, list[str]], demand: dict[tuple[Part, Split], int]
) -> dict[tuple[Part, Split], int]:
    """The share of each split's photographs that the unedited pictures have in all pictures, and of
    that the share of each part; one at least, and one at least is left for samples."""
    total, reals = _made(config) + config.reals.total, config.reals.total
    if config.bases.crops == "centre":
        there = sum(len(sources) for sources in sides.values())
        raise _too_few(config, f"there are {there} photographs ({len(sides['train'])} in train, "
                       f"{len(sides['val'])} in val) and a centre crop makes one of each",
                       ", or set bases.crops to random")  # fmt: skip
    taken = {}
    for split, sources in sides.items():
        mine = [which for which in demand if which[1] == split]
        if len(sources) <= len(mine):
            raise _too_few(config, f"{split} has {len(sources)} photographs and needs "
                           f"{len(mine) + 1} at least, since no one is taken for both")  # fmt: skip
        left = min(max(len(mine), round(len(sources) * reals / total)), len(sources) - 1)
        for i, which in enumerate(mine):
            rest = mine[i + 1 :]
            share = demand[which] / (demand[which] + sum(demand[other] for other in rest))
            taken[which] = min(max(1, round(left * share)), left - len(rest))
            left -= taken[which]
    return taken


def _made(config: Config) -> int:
    """The samples that are made from photographs; those of an imported dataset are not."""
    return 0 if config.imported else config.samples


def _too_few(config: Config, why: str, also: str = "") -> ConfigError:
    return ConfigError(
        f"reals: {config.reals.unedited} unedited and {config.reals.negatives} negatives are asked "
        f"for beside {_made(config)} samples, but {why}: give more photographs, or lower "
        f"reals or samples{also}"
    )
