"""Photographs in, square base pictures out, with their provenance.

    in    a COCO folder or any folder of images (the run's config says which)
    out   source.json for every sample; image.png and instances.png for those with a real base
    run   python -m jobs.ingest --partition 0/4 --run runs/demo

Shorter side to the working resolution, centre crop (paper 4.1) or a seeded random one, PNG. A
picture that cannot be used is quarantined with its reason; it costs no other sample. What is left
out of the folder is counted in the log, and by `pipeline.runs.begun`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.bases import Base, bases
from jobs.coco import MOST, Photographs, read_photographs
from jobs.cut import Cut, Cutter, cut, fatal
from jobs.photos import Limits, Refused, contents
from pipeline import events, runs
from pipeline.apart import Apart, Ended
from pipeline.config import Config
from pipeline.documents import NamedObject, Source
from pipeline.errors import InputError, guard
from pipeline.loop import work
from pipeline.photographs import fingerprint, ignored
from pipeline.records import Reject, Sourced
from pipeline.seeds import rng
from pipeline.stage import Context, Job, context

if TYPE_CHECKING:
    from pipeline.records import Masks

ANEW = "begin a new run with another --out"


@dataclass(frozen=True, slots=True)
class Square:
    """A photograph, what was cut from it, and where that comes from."""

    cut: Cut
    source: Source


def ingest(
    config: Config, photographs: Photographs, keys: Sequence[str], cutter: Cutter = cut
) -> list[Sourced | Reject[Sourced]]:
    """One shard: decide what each sample is made from, then make the real ones."""
    return [
        _one(config, photographs, key, base, cutter)
        for key, base in bases(config, photographs, keys)
    ]


def _one(
    config: Config, photographs: Photographs, key: str, base: Base, cutter: Cutter = cut
) -> Sourced | Reject[Sourced]:
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
        square = photograph(config, photographs, key, base, cutter)
    except Refused as refused:
        return Reject(refused.reason, str(refused))
    names, instances, notes = _instances(config, photographs, base.source_id, square.cut)
    source = square.source.model_copy(update={"objects": tuple(names), "notes": tuple(notes)})
    return Sourced(source, square.cut.image, instances)


def photograph(
    config: Config, photographs: Photographs, key: str, base: Base, cutter: Cutter = cut
) -> Square:
    """The only way from a photograph to the pixels of a picture, edited later or not. Raises
    `Refused`, and InputError for one that went away."""
    photo = photographs.photos[base.source_id]
    draw = rng(config.seed, key, "crop") if config.bases.crops == "random" else None
    try:
        got = cutter(contents(photo.path), Limits.of(config.bases), config.bases.resolution, draw)
    except Ended as ended:
        raise fatal(photo.name, ended) from None
    except Refused as refused:
        if photo.path and refused.reason == "missing-file":  # it was there when they were listed
            gone = f"the photograph {photo.path} is gone"
            raise InputError(f"{gone}: put it back, or {ANEW}") from None
        raise Refused(refused.reason, f"{photo.name}: {refused}") from None
    source = Source(
        source_id=base.source_id, split=base.split, caption=base.caption, base="real",
        file=photo.name, sha256=got.sha256, size=got.size, crop=got.crop, mode=got.mode,
        jpeg_quality=got.jpeg_quality, licence=photo.licence, author=photo.author, url=photo.url,
    )  # fmt: skip
    return Square(got, source)


def _instances(
    config: Config, photographs: Photographs, source_id: str, got: Cut,
) -> tuple[list[NamedObject], Masks | None, list[str]]:  # fmt: skip
    """The annotated objects that are still in the crop, largest first."""
    import numpy as np

    if not config.bases.annotations:
        return [], None, []
    names, planes, notes = [], [], []
    all_of_it = photographs.annotations.get(source_id, [])
    if more := len(all_of_it[MOST:]):
        notes.append(f"{more} annotations beyond the first {MOST}: ignored")
    for annotation in all_of_it[:MOST]:
        mask = annotation.mask(got.stored_size)
        if mask is None:
            notes.append(
                f"annotation {annotation.id} ({annotation.name}) has no usable mask: ignored"
            )
            continue
        plane = got.mask(mask)
        if plane.any() and plane.mean() >= config.regions.min_area:
            names.append(NamedObject(name=annotation.name, category=annotation.category))
            planes.append(plane)
    order = sorted(range(len(planes)), key=lambda i: (-int(planes[i].sum()), i))
    stack = np.stack([planes[i] for i in order]) if order else None
    return [names[i] for i in order], stack, notes


class Folder:
    """The photographs of one process, read and checked once. Raises InputError if they are not
    those that the run was begun with: the split is drawn over all of them, so that two lists would
    put one photograph into train and into val."""

    def __init__(self, here: Context, cutter: Cutter = cut) -> None:
        self.cutter = cutter
        self.run, self.config, self.path = here.run.path, here.config, Path(here.config.photos)
        self.photographs = read_photographs(self.path, self.config)
        self.begun = runs.begun(self.run).get("photos")
        if self.begun not in (None, fingerprint(self.path)):
            raise self._changed()
        others = [f"{n} {what or 'without a suffix'}" for what, n in ignored(self.path).items()]
        events.say(
            "photographs-read", "{photographs} photographs; left out: files of other kinds "
            "({others}), annotations of images that are not listed ({strays})",
            photographs=len(self.photographs.photos), others=", ".join(others) or "none",
            strays=self.photographs.strays,
        )  # fmt: skip

    def ingest(self, keys: Sequence[str]) -> list[Sourced | Reject[Sourced]]:
        """One shard, and whether it may be committed."""
        results = ingest(self.config, self.photographs, keys, self.cutter)
        good = [one for one in results if isinstance(one, Sourced)]
        self.judge(len(good) < len(results) and all(one.image is None for one in good))
        if notes := sum(len(one.source.notes) for one in good):
            events.say("annotations-ignored", "{annotations} annotations have no usable mask: "
                       "ignored", annotations=notes)  # fmt: skip
        return results

    def judge(self, none_used: bool) -> None:
        """Whether a shard may be committed; `none_used`: no photograph could be, so far."""
        if runs.begun(self.run).get("photos") != self.begun:  # begun anew while we were at work
            raise self._changed()
        if none_used:
            self._some_usable()

    def _changed(self) -> InputError:
        return InputError(
            f"the photographs in {self.path} are not those that the run in {self.run} was begun "
            f"with: put them back, or {ANEW}"
        )

    def _some_usable(self) -> None:
        """Look for one good picture in all of the folder; raises InputError if there is none."""
        reasons = Counter[str]()
        for photo in self.photographs.photos.values():
            try:
                self.cutter(contents(photo.path), Limits.of(self.config.bases), 1, None)
            except Ended as ended:
                reasons[fatal(photo.name, ended).reason] += 1
            except Refused as refused:
                reasons[refused.reason] += 1
            else:
                return
        listed = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
        raise InputError(
            f"not one photograph in {self.path} can be used ({listed}): give another folder with "
            "--photos"
        )


def main(argv: list[str]) -> int:
    here = context("jobs.ingest", argv)
    with Apart(cut) as cutter:
        folder = Folder(here, cutter)
        job: Job[str, Sourced] = Job(takes=None, gives=Sourced, load=lambda: (folder.ingest, ""))
        return work(here, job)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
