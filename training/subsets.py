"""Which pictures of a cache a detector learns from, and which of them pick its best step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline import protocols, seeds
from pipeline.config import Config
from pipeline.documents import Task
from pipeline.errors import InputError
from training.cache import Cache, Facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

#: The share of the train sources that pick the best step (paper: none, it reports on the set that
#: it picks by).
DEV_SHARE = 0.05


@dataclass(frozen=True)
class Selection:
    """`rows` (N,) int64 are numbers of pictures in a cache, ascending. `table` (256,) uint8 turns
    mask values into classes; `targets` (N,) uint8 is 1 for an edited picture, in order of rows."""

    task: Task
    rows: NDArray[np.int64]
    table: Bytes
    targets: Bytes

    def only(self, kept: NDArray[np.bool_]) -> Selection:
        """The rows for which `kept` (N,) says so."""
        return replace(self, rows=self.rows[kept], targets=self.targets[kept])


def select(cache: Cache, config: Config, task: Task, subset: str = protocols.ALL) -> Selection:
    """What is trained on: edited and unedited pictures for segmentation, edited ones and negatives
    for the image task (paper, 4.1).

    A hold-out's subset has no chain in which one of its families painted (tables 5 and 7).
    "single-turn" and "multi-turn" have the samples with one edit and with several, both cut to the
    number of the fewer by a keyed draw. Raises `InputError` if nothing is left.
    """
    from training.data import class_table

    other = "negative" if task == "image" else "unedited"
    edited = _edited(cache, config, subset)
    kept = [one.key in edited if one.part == "edited" else one.part == other for one in cache.facts]
    rows = np.flatnonzero(kept)
    targets = np.array([cache.facts[row].part == "edited" for row in rows.tolist()], np.uint8)
    if not targets.any():
        raise InputError(f"no edited sample of the {len(cache.facts)} pictures in {cache.folder} "
                         f"is in the subset {subset}: begin a new run with more samples, or leave "
                         "out the protocol that asks for it")  # fmt: skip
    if task == "image" and targets.all():
        raise InputError(f"no picture in {cache.folder} is unedited, and detectors of whole "
                         "pictures need some: begin a new run with more "
                         "reals.negatives")  # fmt: skip
    return Selection(task, rows, class_table(config, task), targets)


def _edited(cache: Cache, config: Config, subset: str) -> frozenset[str]:
    """The keys of the edited samples of a subset."""
    edited = [one for one in cache.facts if one.part == "edited"]
    single = [one.key for one in edited if len(one.families) == 1]
    several = [one.key for one in edited if len(one.families) > 1]
    if subset in (protocols.SINGLE, protocols.MULTI):
        keys = single if subset == protocols.SINGLE else several
        fewer = min(len(single), len(several))
        return frozenset(seeds.ranked(config.seed, "matched-budget", keys)[:fewer])
    held = protocols.held_out(config, subset)
    if subset != protocols.ALL and not held:
        raise InputError(f"no subset {subset!r}: the config's holdouts name none such")
    return frozenset(one.key for one in edited if not set(held) & set(one.families))


def dev(cache: Cache, selection: Selection, config: Config) -> tuple[Selection, Selection | None]:
    """What is left to train on, and a slice to pick the best step by: 5 % of the train sources of
    each part, the same for every task and subset. No source is on both sides. None, and all to
    train on, where there are too few sources to tell anything by."""
    held = set[str]()
    for part in ("edited", "unedited", "negative"):
        sources = {one.source_id for one in cache.facts if one.part == part}
        held |= set(seeds.ranked(config.seed, "dev", sources)[: int(DEV_SHARE * len(sources))])
    facts: list[Facts] = [cache.facts[row] for row in selection.rows.tolist()]
    apart = np.array([one.source_id in held for one in facts], np.bool_)
    slice_, rest = selection.only(apart), selection.only(~apart)
    both = selection.task != "image" or (0 in slice_.targets and 0 in rest.targets)
    if 1 in slice_.targets and 1 in rest.targets and both:
        return rest, slice_
    return selection, None
