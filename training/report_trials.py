"""What was learnt and scored in a run: the index, trials, scores by protocol, predictions.

in    a `Library`
out   `Trial`s and rows of scores; the weights of the detectors are never read
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import protocols
from pipeline.config import ProtocolName
from pipeline.documents import Curve, IndexFacts, Metrics
from training.report_conditions import CLEAN
from training.report_data import SPLITS, Kept, Library

if TYPE_CHECKING:
    from training.report_data import Bytes


@dataclass(frozen=True, slots=True)
class Trial:
    """One detector that was trained for one task on one subset; `metrics` are those of table 2.
    What is not committed (yet) is None."""

    of: protocols.Trial
    metrics: Metrics | None
    curve: Curve | None

    @property
    def name(self) -> str:
        parts = [self.of.detector, self.of.task]
        return ", ".join(parts if self.of.subset == protocols.ALL else [*parts, self.of.subset])


def index(library: Library, kept: list[Kept]) -> IndexFacts:
    """What the dataset's index says; of a run without one, what its config and samples say."""
    found: IndexFacts | None = library.field("index", 0, "index", "index", "IndexFacts")
    if found is not None:
        return found
    config = library.config
    counts = {split: sum(one.split == split for one in kept) for split in SPLITS}
    return IndexFacts(
        digest="", shards={}, samples=counts, profile=config.profile, labels=config.families,
        weights=config.editing.weights, planned=config.samples, declined={}, sources=(), config={},
    )  # fmt: skip


def scores(library: Library) -> dict[ProtocolName, tuple[Metrics, ...]]:
    """The rows of every protocol of which something is committed, in the order of the DAG."""
    found: dict[ProtocolName, tuple[Metrics, ...]] = {}
    for name, asked in protocols.evaluations(library.config).items():
        for trial in asked:
            scored = library.field(f"evaluate-{name}-{trial.name}", 0, "scores", "scores", "Scores")
            if scored is not None and scored.rows:
                found[name] = (*found.get(name, ()), *scored.rows)
    return found


def trials(library: Library, scored: dict[ProtocolName, tuple[Metrics, ...]]) -> list[Trial]:
    """Every detector that was trained or scored, in the order of the DAG."""
    plain = {
        (row.detector, row.task, row.subset): row
        for row in reversed(scored.get("table2", ())) if row.condition == CLEAN
    }  # fmt: skip
    found = []
    for one in protocols.trials(library.config):
        curve = library.field(f"train-{one.name}", 0, "model", "curve", "Curve")
        metrics = plain.get((one.detector, one.task, one.subset))
        if curve is not None or metrics is not None:
            found.append(Trial(one, metrics, curve))
    return found


def prediction(library: Library, kept: Kept, trial: Trial) -> Bytes | None:
    """The label map that a detector found in a val sample, at the network's size."""
    dataset = f"evaluate-table2-{trial.of.name}"
    found: Bytes | None = library.field(dataset, 0, kept.key, "prediction", "LabelMap")
    return found
