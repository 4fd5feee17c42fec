"""Which pictures each protocol scores, and against which ground truth; one `Set` is one row.

    protocol     conditions of its rows (`Metrics.condition`)
    table2       clean; of a semantic detector also merged: its classes taken together, as binary
    table3       clean, jpeg-60, jpeg-80, resize-256, resize-1024, jpeg-60-stored, jpeg-80-stored
    severity     those of conditions.SEVERITY
    table4       sdxl-lora-stored, sdxl-lora-replayed: samples with a turn that was replaced;
                 sdxl-lora-stored-all, sdxl-lora-replayed-all: among all samples of val
    table5       flux-hunyuan-a: samples with an edit held out, pixels of the others ignored;
                 flux-hunyuan-b: the same, every edit counts; flux-hunyuan-c: none but such edits
    table6       clean; no-crop, where the detector crops; ai-bases: AI-made and not edited
    table7       flux-hunyuan-a, flux-hunyuan-c: as table 5, with as many photographs
    classifiers  table 6's and 7's, each as -top1, -share and -share-0 (see training/pooling.py)
    turns        single-turn, multi-turn, all

A detector that was trained on everything gets every group of tables 5 and 7, and clean; one without
a group gets its own. So each row has a row on the same pictures to stand beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import protocols, seeds
from pipeline.dag import slug
from training import conditions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import Config, ProtocolName
    from training.cache import Facts

#: Those that painted a sample, one a turn.
Families = tuple[str, ...]
ASSEMBLED, BASES = "", "bases"
NO_CROP = "no-crop"


@dataclass(frozen=True, slots=True)
class Set:
    """`keys` in order. `pictures`: as assembled, or as painted again by a variant of `replays`, or
    the `BASES` as they were before any turn. `ignored` families' pixels count for nothing, `merged`
    takes all families for one class. `family`: whose IoU the row is about."""

    name: str
    keys: tuple[str, ...]
    condition: str = "clean"
    pictures: str = ASSEMBLED
    ignored: tuple[str, ...] = ()
    merged: bool = False
    family: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Val:
    """What is known about the val split before a picture is looked at. `replayed`: by variant, the
    samples whose every replaced and later turn was painted again; `bases`: AI-made base pictures.
    `crops`: whether the detector sees less than the whole picture."""

    config: Config
    subset: str
    task: str
    facts: tuple[Facts, ...]
    replayed: Mapping[str, frozenset[str]]
    bases: tuple[str, ...] = ()
    crops: bool = False

    def edited(self, wanted: Callable[[Families], bool] = lambda by: True) -> tuple[str, ...]:
        """Keys of the samples whose families, one a turn, are `wanted`."""
        return tuple(f.key for f in self.facts if f.part == "edited" and wanted(f.families))

    @property
    def negatives(self) -> tuple[str, ...]:
        return tuple(f.key for f in self.facts if f.part == "negative")

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The hold-outs that this detector is tried on."""
        mine = protocols.held_out(self.config, self.subset)
        return (mine,) if mine else self.config.holdouts


def sets(protocol: ProtocolName, val: Val) -> tuple[Set, ...]:
    """The rows of a protocol for one detector, in the order of the table above."""
    return tuple(ROWS[protocol](val))


def _table2(val: Val) -> Iterable[Set]:
    yield Set("clean", val.edited())
    if val.task == "semantic":
        yield Set("merged", val.edited(), merged=True,
                  notes=("edited = any family, by a detector that tells them apart",))  # fmt: skip


def _conditions(names: Iterable[str]) -> Callable[[Val], Iterable[Set]]:
    return lambda val: (Set(name, val.edited(), name) for name in names)


def _table4(val: Val) -> Iterable[Set]:
    for variant, family in val.config.replays.items():
        name, again = slug(variant), val.replayed.get(variant, frozenset())
        with_one = val.edited(lambda by, family=family: family in by)  # type: ignore[misc]
        lost = [key for key in with_one if key not in again]
        notes = ["whether the filter would keep what was painted again was not asked"]
        if lost:
            notes.append(f"{len(lost)} of {len(with_one)} samples are left out of both rows, since "
                         "a turn could not be painted again")  # fmt: skip
        for suffix, wanted in (("", set(with_one)), ("-all", set(val.edited()))):
            stored = Set(f"{name}-stored{suffix}", _without(val, wanted, lost), family=family,
                         notes=tuple(notes))  # fmt: skip
            yield stored
            yield replace(stored, name=f"{name}-replayed{suffix}", pictures=variant)


def _table5(val: Val) -> Iterable[Set]:
    if val.subset == protocols.ALL:
        yield Set("clean", val.edited())
    for group in val.groups:
        name, any_of, only = _unseen(val, group)
        seen = tuple(family for family in val.config.families if family not in group)
        yield Set(f"{name}-a", any_of, ignored=seen,
                  notes=("pixels of the other families are ignored",))  # fmt: skip
        yield Set(f"{name}-b", any_of)
        yield Set(f"{name}-c", only)


def _table6(val: Val) -> Iterable[Set]:
    everything = (*val.edited(), *val.negatives)
    yield Set("clean", everything)
    if val.crops:
        yield Set(NO_CROP, everything, NO_CROP,
                  notes=("the whole picture at the size of the crop",))  # fmt: skip
    yield _control(val)


def _table7(val: Val) -> Iterable[Set]:
    if val.subset == protocols.ALL:
        yield Set("clean", (*val.edited(), *val.negatives))
    for group in val.groups:
        name, any_of, only = _unseen(val, group)
        yield _balanced(val, f"{name}-a", any_of)
        yield _balanced(val, f"{name}-c", only)


def _classifiers(val: Val) -> Iterable[Set]:
    yield from _table7(val)
    if val.subset == protocols.ALL:
        yield _control(val)


def _turns(val: Val) -> Iterable[Set]:
    yield Set(protocols.SINGLE, val.edited(lambda by: len(by) == 1))
    yield Set(protocols.MULTI, val.edited(lambda by: len(by) > 1))
    yield Set(protocols.ALL, val.edited())


def _unseen(val: Val, group: tuple[str, ...]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The group's name, the samples with an edit by one of it, and those with no other edit."""
    one = frozenset(group)
    return (
        "-".join(slug(family) for family in group),
        val.edited(lambda by: not one.isdisjoint(by)),
        val.edited(lambda by: bool(by) and one.issuperset(by)),
    )


def _control(val: Val) -> Set:
    return Set("ai-bases", val.bases, pictures=BASES,
               notes=("made by AI and not edited: none should be called edited",))  # fmt: skip


def _without(val: Val, wanted: set[str], lost: Iterable[str]) -> tuple[str, ...]:
    return tuple(f.key for f in val.facts if f.key in wanted.difference(lost))


def _balanced(val: Val, name: str, positives: tuple[str, ...]) -> Set:
    """As many of the one as of the other: the first by a keyed draw, in the order of their keys."""
    few = min(len(positives), len(val.negatives))
    drawn = [
        sorted(seeds.ranked(val.config.seed, f"{purpose} of {name}", keys)[:few])
        for purpose, keys in (("edited", positives), ("negatives", val.negatives))
    ]
    notes = [f"{few} edited and {few} photographs"]
    if few < len(positives):
        notes.append(f"{len(positives)} are edited, but there are no more photographs")
    return Set(name, (*drawn[0], *drawn[1]), notes=tuple(notes))


ROWS: dict[ProtocolName, Callable[[Val], Iterable[Set]]] = {
    "table2": _table2,
    "table3": _conditions((*conditions.TABLE3, *conditions.STORED)),
    "severity": _conditions(conditions.SEVERITY),
    "table4": _table4,
    "table5": _table5,
    "table6": _table6,
    "table7": _table7,
    "classifiers": _classifiers,
    "turns": _turns,
}
