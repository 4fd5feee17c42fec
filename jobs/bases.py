"""What each sample is made from, decided before anything is opened.

Pure in (config, photographs, key): the same answer for any partitioning. In each shard the share of
AI-made bases is met exactly, and their families take turns from shard to shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.coco import Photographs
from jobs.reserve import Part, kind, reserve
from pipeline.config import Config
from pipeline.documents import Split
from pipeline.errors import ConfigError
from pipeline.seeds import ranked, seed

#: For AI-made bases where the photographs come without captions.
CAPTIONS = (
    "a wooden table by a window with a bowl of fruit",
    "a dog resting on the grass in a park",
    "a red bicycle leaning against a brick wall",
    "two people walking along a sandy beach",
    "a city street in the evening after rain",
    "a small boat on a calm lake with mountains behind it",
)


@dataclass(frozen=True, slots=True)
class Base:
    """`family` is the painter of an AI-made base, "" for a photograph."""

    source_id: str
    split: Split
    caption: str
    family: str


def bases(config: Config, photographs: Photographs, keys: Sequence[str]) -> list[tuple[str, Base]]:
    """The bases of one shard's `keys`, in their order."""
    order = reserve(config, photographs).samples
    if config.bases.crops == "centre" and config.samples > len(order):
        raise ConfigError(
            f"samples: {config.samples} are asked for, but there are {len(order)} photographs and "
            "a centre crop makes one of each: lower samples, or set bases.crops to random"
        )
    share, first = config.bases.ai_share, int(keys[0])
    before = int(share * first + 0.5)
    wanted = int(share * (first + len(keys)) + 0.5) - before
    made = ranked(config.seed, "ai-base", keys)[:wanted]
    families = ranked(config.seed, "ai-family", config.families)
    painter = {key: families[(before + i) % len(families)] for i, key in enumerate(made)}
    found = []
    for key in keys:
        found.append((key, _base(config, photographs, key, order[int(key) % len(order)],
                                 painter.get(key, ""))))  # fmt: skip
    return found


def untouched(
    config: Config, photographs: Photographs, keys: Sequence[str]
) -> list[tuple[str, Part, Base]]:
    """Key, part and photograph of the `keys` that nobody edits: other photographs than those of the
    samples, and others for each part."""
    pools = reserve(config, photographs).pools
    found = []
    for key in keys:
        part, split, number = kind(config, key)
        pool = pools[part, split]
        found.append((key, part, _base(config, photographs, key, pool[number % len(pool)], "")))
    return found


def _base(config: Config, photographs: Photographs, key: str, source: str, family: str) -> Base:
    captions = photographs.captions.get(source) or CAPTIONS
    caption = captions[seed(config.seed, key, "caption") % len(captions)]
    return Base(source, photographs.split[source], caption, family)
