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
from typing import TYPE_CHECKING

from jobs.segmenters import Found, Module, Segmenter
from pipeline.config import Config, RegionRules
from pipeline.documents import Region, Regions
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Reject, Segmented, ToSegment
from pipeline.stage import Job, Transform, context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 8


def segment(
    segmenter: Segmenter, rules: RegionRules, batch: Sequence[ToSegment]
) -> list[Segmented | Reject[Segmented]]:
    bare = [item for item in batch if item.instances is None]
    by_key = {item.key: found for item, found in zip(bare, segmenter.segment(bare), strict=True)}
    return [_one(item, by_key.get(item.key), rules) for item in batch]


def _one(
    item: ToSegment, found: list[Found] | None, rules: RegionRules
) -> Segmented | Reject[Segmented]:
    import numpy as np

    annotated = found is None
    if item.instances is not None:
        pairs = zip(item.source.objects, item.instances, strict=True)
        found = [Found(thing, mask) for thing, mask in pairs]
    assert found is not None
    sized = [
        one for one in found
        if one.mask.any() and rules.min_area <= one.mask.mean() <= rules.max_area
    ]  # fmt: skip
    if not sized:
        return Reject("no-regions", f"{len(found)} masks, none of a size that may be edited")
    people_first = sorted(sized, key=lambda one: one.thing.category != "humans")
    stack = np.stack([one.mask for one in people_first])
    kept = distinct(stack, rules.duplicate_iou)
    duplicates = len(sized) - len(kept)
    kept = kept[: rules.max_regions]
    regions = tuple(
        Region(name=people_first[i].thing.name, category=people_first[i].thing.category,
               area=float(stack[i].mean()), box=_box(stack[i]),
               origin="annotation" if annotated else "segmenter", score=people_first[i].score)
        for i in kept
    )  # fmt: skip
    return Segmented(stack[kept], Regions(regions=regions, duplicates=duplicates))


def distinct(masks: NDArray[np.bool_], limit: float) -> list[int]:
    """Indices of `masks` (N, H, W), in order, without those whose IoU with a kept one is above
    `limit`. Pairwise intersections come from one matrix product."""
    import numpy as np

    flat = masks.reshape(len(masks), -1).astype(np.float32)
    both = flat @ flat.T
    areas = flat.sum(axis=1)
    iou = both / np.maximum(areas[:, None] + areas[None, :] - both, 1)
    kept: list[int] = []
    for i in range(len(masks)):
        if not any(iou[i, j] > limit for j in kept):
            kept.append(i)
    return kept


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    import numpy as np

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def job(config: Config) -> Job[ToSegment, Segmented]:
    def load() -> tuple[Transform[ToSegment, Segmented], str]:
        module: Module = importlib.import_module(f"jobs.segmenters.{config.segmenter}")
        segmenter = module.load(config)
        return lambda batch: segment(segmenter, config.regions, batch), ""

    return Job(ToSegment, Segmented, load, batch=BATCH)


def main(argv: list[str]) -> int:
    here = context("jobs.segment", argv)
    return work(here, job(here.config))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
