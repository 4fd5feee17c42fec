"""What can be looked at in a run: every sample and everything that was declined, read once.

Of a sample only its JSON is read; `Index.choose` filters, and no picture is opened here. What is
not committed yet is left out, so that a run may be looked at while it is made.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

from pipeline.config import Config
from pipeline.documents import Real, Sample
from pipeline.errors import NotReady
from pipeline.shards import RunFolder, join

SPLITS = ("train", "val", "filtered")
UNEDITED = "unedited"


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample, or a photograph that nobody edited. `families` and `kinds` are those of its edits;
    `reasons` why it or one of its turns was declined; `about` is a short text of its own."""

    key: str
    split: str
    dataset: str
    shard: int
    families: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    score: int | None = None
    reasons: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    """A sample that a stage declined, or a turn of it."""

    key: str
    stage: str
    reason: str
    detail: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Filter:
    """ "" = any."""

    split: str = ""
    family: str = ""
    turns: str = ""
    edit: str = ""
    score: str = ""
    reason: str = ""

    @property
    def given(self) -> dict[str, str]:
        """The filters that are set, as the query of an address."""
        found = {one.name: str(getattr(self, one.name)) for one in fields(self)}
        return {name: value for name, value in found.items() if value}

    def fits(self, entry: Entry) -> bool:
        return (
            self.split in ("", entry.split)
            and (not self.family or self.family in entry.families)
            and self.turns in ("", str(len(entry.families)))
            and (not self.edit or self.edit in entry.kinds)
            and self.score in ("", str(entry.score))
            and (not self.reason or self.reason in entry.reasons)
        )


@dataclass(frozen=True)
class Index:
    """`entries` in order of their keys, `declined` in order of stage and key."""

    entries: tuple[Entry, ...]
    declined: tuple[Declined, ...]
    #: Evaluations with predicted label maps, by the name of their stage: whose task was binary.
    predictions: Mapping[str, bool] = field(default_factory=dict)

    @cached_property
    def by_key(self) -> dict[str, Entry]:
        return {entry.key: entry for entry in self.entries}

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """What each filter may be set to; what an imported dataset does not say is no choice."""
        every, scores = self.entries, {entry.score for entry in self.entries}
        return {
            "split": [split for split in (*SPLITS, UNEDITED) if split in {e.split for e in every}],
            "family": sorted({name for entry in every for name in entry.families}),
            "turns": sorted({str(len(entry.families)) for entry in every}),
            "edit": sorted({kind for entry in every for kind in entry.kinds} - {"unknown"}),
            "score": sorted({str(score) for score in scores if score is not None and score >= 0}),
            "reason": sorted({reason for entry in every for reason in entry.reasons}),
        }

    def filter(self, asked: Mapping[str, str]) -> Filter:
        """A filter of what is asked for; what is no choice counts as not asked for."""
        return Filter(**{name: value for name, choices in self.choices.items()
                         if (value := asked.get(name, "")) in choices})  # fmt: skip

    def choose(self, chosen: Filter) -> list[Entry]:
        return [entry for entry in self.entries if chosen.fits(entry)]

    def reasons(self) -> dict[str, int]:
        """How often each reason was given, the frequent first."""
        count: dict[str, int] = defaultdict(int)
        for item in self.declined:
            count[item.reason] += 1
        return dict(sorted(count.items(), key=lambda item: (-item[1], item[0])))


def read(run: RunFolder, config: Config) -> Index:
    """Everything that is committed. Raises CorruptData for a shard that is damaged."""
    declined = list(_declined(run))
    reasons: dict[str, set[str]] = defaultdict(set)
    for item in declined:
        reasons[item.key].add(item.reason)
    found = [*_samples(run, config, reasons), *_reals(run, config, reasons)]
    return Index(tuple(sorted(found, key=lambda entry: entry.key)), tuple(declined),
                 _predictions(run))  # fmt: skip


def _samples(run: RunFolder, config: Config, reasons: Mapping[str, set[str]]) -> Iterable[Entry]:
    for split in SPLITS:
        dataset = f"assemble-{split}"
        for shard in range(config.shards):
            for key, sample in _documents(run, dataset, shard, "sample", "Sample"):
                assert isinstance(sample, Sample)
                yield Entry(
                    key, split, dataset, shard, tuple(edit.family for edit in sample.edits),
                    tuple(str(edit.edit) for edit in sample.edits), sample.score.score,
                    tuple(sorted(reasons.get(key, ()))), _about(sample),
                )  # fmt: skip


def _reals(run: RunFolder, config: Config, reasons: Mapping[str, set[str]]) -> Iterable[Entry]:
    for shard in range(config.real_shards):
        for key, real in _documents(run, "reals", shard, "real", "Real"):
            assert isinstance(real, Real)
            yield Entry(key, UNEDITED, "reals", shard, reasons=tuple(sorted(reasons.get(key, ()))),
                        about=real.source.file)  # fmt: skip


def _documents(
    run: RunFolder, dataset: str, shard: int, name: str, kind: str
) -> Iterable[tuple[str, object]]:
    try:
        rows = join(run, (dataset,), shard).rows
    except NotReady:
        return
    for key, row in rows.items():
        if (found := row.get(name, kind)) is not None:
            yield key, found


def _about(sample: Sample) -> str:
    """The last thing that was asked for, else what the picture is said to show, or its file."""
    prompts = [prompt for edit in reversed(sample.edits) for prompt in reversed(edit.prompts)]
    texts: Sequence[str] = [*prompts, sample.source.caption, sample.source.file]
    return next((text for text in texts if text), "")


def _declined(run: RunFolder) -> Iterable[Declined]:
    for path in sorted(run.datasets.glob("*/*.json")):
        if re.fullmatch(r"\d{5,}", path.stem):
            manifest = run.manifest(path.parent.name, int(path.stem))
            for item in manifest.rejected:
                yield Declined(item.key, manifest.dataset, item.reason, item.detail, item.outcome)


def _predictions(run: RunFolder) -> dict[str, bool]:
    """The evaluations that kept what they found, by stage; in order of their names."""
    found: dict[str, bool] = {}
    for path in sorted(run.datasets.glob("evaluate-*/00000.json")):
        manifest = run.manifest(path.parent.name, 0)
        kept = (member.name for members in manifest.records.values() for member in members)
        if "prediction.png" in kept:
            found[manifest.dataset] = "-binary" in manifest.dataset
    return found
