"""What each sample is made from, decided before anything is opened.

Pure in (config, photographs, key): the same answer for any partitioning. In each shard the share of
AI-made bases is met exactly, and their families take turns from shard to shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.coco import Photographs
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
    order = ranked(config.seed, "source", photographs.photos)
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
        source = order[int(key) % len(order)]
        captions = photographs.captions.get(source) or CAPTIONS
        caption = captions[seed(config.seed, key, "caption") % len(captions)]
        base = Base(source, photographs.split[source], caption, painter.get(key, ""))
        found.append((key, base))
    return found
