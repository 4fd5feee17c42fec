"""Photographs in, square base pictures out, with their provenance.

    in    a COCO folder or any folder of images (the run's config says which)
    out   source.json for every sample; image.png and instances.png for those with a real base
    run   python -m jobs.ingest --partition 0/4 --run runs/demo

Shorter side to the working resolution, centre crop (paper 4.1) or a seeded random one, PNG. A
picture that cannot be used is quarantined with its reason; it costs no other sample.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.bases import Base, bases
from jobs.coco import Photographs, read_photographs
from jobs.photos import Refused, Sight, see
from pipeline.config import Config
from pipeline.documents import NamedObject, Source
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Reject, Sourced
from pipeline.seeds import rng
from pipeline.stage import Job, context

if TYPE_CHECKING:
    from pipeline.records import Masks


Box = tuple[int, int, int, int]


def ingest(
    config: Config, photographs: Photographs, keys: Sequence[str]
) -> list[Sourced | Reject[Sourced]]:
    """One shard: decide what each sample is made from, then make the real ones."""
    return [_one(config, photographs, key, base) for key, base in bases(config, photographs, keys)]


def _one(
    config: Config, photographs: Photographs, key: str, base: Base
) -> Sourced | Reject[Sourced]:
    photo = photographs.photos[base.source_id]
    if base.family:
        return Sourced(
            Source(
                source_id=base.source_id,
                split=base.split,
                caption=base.caption,
                base="ai",
                family=base.family,
            )
        )
    try:
        sight = see(photo.path, config.bases)
    except Refused as refused:
        return Reject(refused.reason, f"{photo.name}: {refused}")
    draw = rng(config.seed, key, "crop") if config.bases.crops == "random" else None
    image, crop = sight.crop(config.bases.resolution, draw)
    names, instances, notes = _instances(config, photographs, base.source_id, sight, crop)
    source = Source(
        source_id=base.source_id, split=base.split, caption=base.caption, base="real",
        file=photo.name, sha256=sight.sha256, size=sight.size, crop=crop, mode=sight.mode,
        jpeg_quality=sight.jpeg_quality, licence=photo.licence, objects=tuple(names),
        notes=tuple(notes),
    )  # fmt: skip
    return Sourced(source, image, instances)


def _instances(
    config: Config, photographs: Photographs, source_id: str, sight: Sight, crop: Box,
) -> tuple[list[NamedObject], Masks | None, list[str]]:  # fmt: skip
    """The annotated objects that are still in the crop, largest first."""
    import numpy as np

    if not config.bases.annotations:
        return [], None, []
    names, planes, notes = [], [], []
    for annotation in photographs.annotations.get(source_id, ()):
        mask = annotation.mask(sight.stored_size)
        if mask is None:
            notes.append(
                f"annotation {annotation.id} ({annotation.name}) has no usable mask: ignored"
            )
            continue
        plane = sight.crop_mask(mask, crop, config.bases.resolution)
        if plane.any() and plane.mean() >= config.regions.min_area:
            names.append(NamedObject(name=annotation.name, category=annotation.category))
            planes.append(plane)
    order = sorted(range(len(planes)), key=lambda i: (-int(planes[i].sum()), i))
    stack = np.stack([planes[i] for i in order]) if order else None
    return [names[i] for i in order], stack, notes


def main(argv: list[str]) -> int:
    here = context("jobs.ingest", argv)
    photographs = read_photographs(Path(here.config.photos), here.config)
    job: Job[str, Sourced] = Job(
        takes=None,
        gives=Sourced,
        load=lambda: (lambda keys: ingest(here.config, photographs, keys), ""),
    )
    return work(here, job)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
