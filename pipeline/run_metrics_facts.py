"""What the documents of a run say that its manifests do not: scores, and how quotas are kept.

A document is read when the shard it lies in is new, and only its few figures are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipeline.balance import Tally
from pipeline.errors import CorruptData, PalimpsestError
from pipeline.records import Planned, ToPlan
from pipeline.run_metrics_read import Dataset, Version
from pipeline.shards import Joined, Row, RunFolder, parsed

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.documents import IndexFacts, Scores, Share

#: What tells what was planned; an imported dataset has no plan.
PLANNED = ("ingest", "segment", "plan")
#: Protocol, condition, detector, task, subset and score.
Scored = tuple[str, str, str, str, str, str]
Drawn = tuple[str, str]  # quota and kind
Figures = TypeVar("Figures")


class Memo(Generic[Figures]):
    """The figures of some shards, each read once a version."""

    def __init__(self, read: Callable[[Dataset, int], Figures]) -> None:
        self.read = read
        self._known: dict[tuple[str, int], tuple[Version, Figures | None]] = {}

    def of(self, dataset: Dataset, shard: int) -> Figures | None:
        """None where the shard is not committed or cannot be read, which is said once."""
        key, version = (dataset.name, shard), dataset.versions.get(shard)
        if version is None:
            self._known.pop(key, None)
            return None
        known = self._known.get(key)
        if known is None or known[0] != version:
            try:
                known = version, self.read(dataset, shard)
            except (PalimpsestError, OSError, ValueError, LookupError) as error:
                dataset.warn(dataset.run.manifest_path(dataset.name, shard), error)
                known = version, None
                if isinstance(error, OSError):
                    return None  # a sick disk is asked again
            self._known[key] = known
        return known[1]


class Facts:
    """The figures of one run's documents, as far as they are committed and can be read."""

    def __init__(self, run: RunFolder, config: Config) -> None:
        self.run, self.config = run, config
        self._scores, self._index = Memo(self._scored), Memo(self._balance)
        self._plans = Memo(self._drawn)

    def scores(self, evaluations: Iterable[Dataset]) -> dict[Scored, float]:
        """Of every evaluation that is committed; figures without a value are left out."""
        found: dict[Scored, float] = {}
        for dataset in evaluations:
            found |= self._scores.of(dataset, 0) or {}
        return found

    def deficits(self, datasets: Mapping[str, Dataset]) -> dict[Drawn, float]:
        """By quota and kind: as the index has them, or before there is one, by the plan as far as
        it is committed. Nothing where nothing is planned yet."""
        if (said := self._index.of(datasets["index"], 0)) is not None:
            return said
        whole = Tally(self.config)
        for plan in [datasets["plan"]] if "plan" in datasets else []:
            for shard in plan.versions:
                whole.planned.update(self._plans.of(plan, shard) or {})
        return _deficits(whole.shares()) if whole.planned else {}

    def _scored(self, dataset: Dataset, shard: int) -> dict[Scored, float]:
        said: Scores = self._document(dataset, shard, "scores", "Scores")
        return {
            (one.protocol, one.condition, one.detector, one.task, one.subset, score): figure.value
            for one in said.rows
            for score, figure in one.figures.items()
            if figure.value is not None
        }

    def _balance(self, dataset: Dataset, shard: int) -> dict[Drawn, float]:
        said: IndexFacts = self._document(dataset, shard, "index", "IndexFacts")
        return _deficits(said.balance)

    def _drawn(self, dataset: Dataset, shard: int) -> Counter[Drawn]:
        """How often each kind of each quota was drawn in one shard of the plan."""
        tally = Tally(self.config)
        for row in self._rows(PLANNED, shard).values():
            if row.has(Planned):
                item: ToPlan = row.read(ToPlan)
                tally.plan(item.source, item.regions.regions, row.get("plan", "Plan"))
        return tally.planned

    def _document(self, dataset: Dataset, shard: int, name: str, kind: str) -> Any:
        """The document that lies under its own name."""
        row = self._rows((dataset.name,), shard).get(name)
        if row is None or (found := row.get(name, kind)) is None:
            path = self.run.manifest_path(dataset.name, shard)
            raise CorruptData(f"{path} has no {kind}", (dataset.name, shard), self.run.path)
        return found

    def _rows(self, datasets: Iterable[str], shard: int) -> dict[str, Row]:
        paths = [self.run.manifest_path(name, shard) for name in datasets]
        return Joined(self.run, tuple(map(parsed, paths))).rows


def _deficits(shares: Iterable[Share]) -> dict[Drawn, float]:
    return {(one.quota, one.kind): one.deficit for one in shares}
