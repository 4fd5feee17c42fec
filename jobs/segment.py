"""Masks of the named objects (paper 3.1, stage 1): duplicates above 70 % IoU are dropped.

    in    image.png, objects.json, instances.png where the photograph has annotations
    out   masks.png (a strip of one-bit squares), regions.json
    run   python -m jobs.segment --partition 0/4 --run runs/demo

A picture with annotations uses its own masks; only the others go through the segmenter.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Literal, TypeAlias

from jobs import faults
from jobs.segmenters import Found, Module, Seen, Segmenter
from pipeline.config import Config, RegionRules
from pipeline.documents import Region, Regions
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Reject, Segmented, ToSegment
from pipeline.stage import Job, Transform, context

Origin: TypeAlias = Literal["annotation", "segmenter"]
BATCH = 8


def segment(
    segmenter: Segmenter, rules: RegionRules, batch: Sequence[ToSegment]
) -> list[Segmented | Reject[Segmented]]:
    bare = [item for item in batch if item.instances is None]
    by_key = {item.key: seen for item, seen in zip(bare, segmenter.segment(bare), strict=True)}
    return [_one(item, by_key.get(item.key), rules) for item in batch]


def _one(item: ToSegment, seen: Seen | None, rules: RegionRules) -> Segmented | Reject[Segmented]:
    import numpy as np

    from jobs.segmenters.quality import distinct

    origin: Origin = "annotation" if seen is None else "segmenter"
    seen = seen or _annotated(item)
    sized = [
        one for one in seen.found
        if one.mask.any() and rules.min_area <= one.mask.mean() <= rules.max_area
    ]  # fmt: skip
    if not sized:
        said = f"{len(seen.found)} masks, none of a size that may be edited"
        return Reject("no-regions", "; ".join([said, *seen.notes]))
    people_first = sorted(sized, key=lambda one: one.thing.category != "humans")
    stack = np.stack([one.mask for one in people_first])
    kept = distinct(stack, rules.duplicate_iou)
    duplicates = len(sized) - len(kept)
    kept = kept[: rules.max_regions]
    regions = tuple(_region(people_first[i], origin) for i in kept)
    return Segmented(stack[kept], Regions(regions=regions, duplicates=duplicates, notes=seen.notes))


def _annotated(item: ToSegment) -> Seen:
    assert item.instances is not None
    pairs = zip(item.source.objects, item.instances, strict=True)
    return Seen([Found(thing, mask) for thing, mask in pairs])


def _region(found: Found, origin: Origin) -> Region:
    from jobs.segmenters.quality import around, quality

    return Region(
        name=found.thing.name, category=found.thing.category, area=float(found.mask.mean()),
        box=around(found.mask), origin=origin, score=found.score, quality=quality(found),
    )  # fmt: skip


def job(config: Config) -> Job[ToSegment, Segmented]:
    def load() -> tuple[Transform[ToSegment, Segmented], str]:
        module: Module = importlib.import_module(f"jobs.segmenters.{config.segmenter}")
        with faults.loading():
            segmenter = module.load(config)
        return lambda batch: segment(segmenter, config.regions, batch), segmenter.model

    return Job(ToSegment, Segmented, load, batch=BATCH)


def main(argv: list[str]) -> int:
    here = context("jobs.segment", argv)
    return work(here, job(here.config))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
