"""The rules that make labels worth something, checked from the pictures themselves.

An edit changed nothing outside its mask, was the turn that the plan had, and added itself to the
history; a finished sample's label map and turn map are what its history paints, the last painter
on top; a picture that nobody edited has an empty label map. Written a second time on purpose, apart
from the jobs: a check that asked them would believe them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.conservation import Fault
from pipeline.documents import History, Plan, Sample
from pipeline.errors import CorruptData
from pipeline.shards import Row, RunFolder, join
from pipeline.stage import Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EDITS = ("jobs.edit", "jobs.replay")


def ruled(stage: Stage) -> bool:
    """Whether there is a rule for what a stage wrote."""
    return stage.module in (*EDITS, "jobs.assemble", "jobs.reals")


def check(run: RunFolder, config: Config, stage: Stage, shard: int) -> tuple[int, list[Fault]]:
    """Samples looked at and faults of a committed shard. Members that are damaged are left out:
    whoever reads the tars has named them."""
    manifest = run.manifest(stage.name, shard)
    kept = [key for key in manifest.ids_in if key in manifest.records]
    made = join(run, (stage.name,), shard).rows
    before = join(run, stage.reads, shard).rows if stage.reads else {}
    faults: list[Fault] = []
    looked = 0
    for key in kept:
        try:
            for what in _wrong(config, stage, key, before.get(key), made[key]):
                text = f"{stage.name} shard {shard:05d}: {key} {what}"
                faults.append(Fault(stage.name, shard, text))
        except CorruptData:
            continue
        looked += 1
    return looked, faults


def _wrong(config: Config, stage: Stage, key: str, before: Row | None, made: Row) -> Iterator[str]:
    if stage.module == "jobs.reals":
        if made.get("mask", "LabelMap").any():
            yield "was edited by nobody, but its label map is not empty"
    elif before is None:
        yield "is in none of the datasets that were read"
    elif stage.module == "jobs.assemble":
        yield from _assembled(before, made)
    else:
        yield from _edited(stage, before, made)


def _edited(stage: Stage, before: Row, made: Row) -> Iterator[str]:
    """One turn, held against the picture and the history that it found."""
    found: History | None = before.get("history", "History")
    earlier = found.edits if found else ()
    now: History = made.get("history", "History")
    if now.edits[:-1] != earlier or not now.edits:
        yield "has a history that does not continue the one before"
        return
    edit = now.edits[-1]
    if stage.module == "jobs.edit":
        plan: Plan = before.get("plan", "Plan")
        turn = plan.turns[edit.turn - 1] if 0 < edit.turn <= len(plan.turns) else None
        if turn is None or (turn.region, turn.family) != (edit.region, edit.family):
            yield f"was painted by {edit.family} in turn {edit.turn}, which is not its plan"
    mask = before.get("masks", "Masks")[edit.region]
    old, new = before.get("image", "Photo"), made.get("image", "Photo")
    if old.shape != new.shape:
        yield f"has {new.shape[1]} x {new.shape[0]} pixels, before {old.shape[1]} x {old.shape[0]}"
        return
    differs = (old != new).any(axis=2)
    if edit.composite == "paste" and (outside := int((differs & ~mask).sum())):
        yield f"changed {outside:,} pixels outside its mask"
    if not differs.any():
        yield "changed nothing"


def _assembled(before: Row, made: Row) -> Iterator[str]:
    """A finished sample, held against the masks and the history that it was assembled from."""
    sample: Sample = made.get("sample", "Sample")
    found: History | None = before.get("history", "History")
    if sample.edits != (found.edits if found else ()):
        yield "has another history than its edits"
    labels, turns = _painted(before.get("masks", "Masks"), sample)
    for name, wanted in (("mask", labels), ("turns", turns)):
        stored = made.get(name, "LabelMap")
        if stored.shape != wanted.shape or (stored != wanted).any():
            yield f"has a {name}.png that is not what its history paints"
    if (made.get("image", "Photo") != before.get("image", "Photo")).any():
        yield "has another picture than its last turn"


def _painted(
    masks: NDArray[np.bool_], sample: Sample
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Label map and turn map of a history, later edits over earlier ones."""
    import numpy as np

    labels = np.zeros(masks.shape[1:], np.uint8)
    turns = np.zeros_like(labels)
    for edit in sorted(sample.edits, key=lambda edit: edit.turn):
        labels = np.where(masks[edit.region], np.uint8(edit.label), labels)
        turns = np.where(masks[edit.region], np.uint8(edit.turn), turns)
    return labels, turns
