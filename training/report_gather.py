"""All that a report tells, gathered once, for the page and for the Markdown file.

in    a `Library` on a run, complete or not
out   `Findings`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.clock import Clock
from pipeline.config import Config, ProtocolName
from pipeline.cost import Cost
from pipeline.dag import dag
from pipeline.documents import IndexFacts, Metrics
from training import (
    report_cost,
    report_data,
    report_notes,
    report_provenance,
    report_stages,
    report_tables,
    report_trials,
)
from training.report_data import Kept, Library
from training.report_stages import Stages
from training.report_tables import Scored, Table
from training.report_trials import Trial

#: So many datasets that are not committed are named.
NAMED = 8
NOISE = (
    "The families in this run are untrained miniatures. The scores test the machinery, not "
    "detection."
)


@dataclass(frozen=True)
class Findings:
    """`missing` are the datasets of a report that are not committed yet, `absent` the protocols
    that were not run, each with the key that makes it."""

    library: Library
    samples: Sequence[Kept]
    index: IndexFacts
    trials: Sequence[Trial]
    scores: dict[ProtocolName, tuple[Metrics, ...]]
    stages: Stages
    cost: Cost
    tables: dict[ProtocolName, tuple[Table, ...]]
    absent: Sequence[str]
    missing: Sequence[str]
    lead: str
    facts: Sequence[tuple[str, str]]
    provenance: Sequence[Table]

    @property
    def config(self) -> Config:
        return self.library.config

    @property
    def incomplete(self) -> str:
        """The first of `missing`, and how many more; "" if there are none."""
        more = len(self.missing) - NAMED
        return ", ".join(self.missing[:NAMED]) + (f" and {more} more" if more > 0 else "")

    @property
    def tiny(self) -> bool:
        """Whether the dataset was painted with untrained weights."""
        return self.index.weights == "tiny"

    @property
    def lost(self) -> int:
        """Samples that were planned and are in no split; of a run without an index, not known."""
        return self.index.planned - sum(self.index.samples.values()) if self.index.digest else 0


def gather(library: Library, clock: Clock) -> Findings:
    """Read what is committed. No picture is read."""
    config = library.config
    with clock.phase("read"):
        samples = list(report_data.samples(library))
        index = report_trials.index(library, samples)
        scores = report_trials.scores(library)
        trials = report_trials.trials(library, scores)
        stages = report_stages.collect(library.run, config)
        cost = report_cost.collect(library)
    curves = {trial.of.name: trial.curve for trial in trials if trial.curve}
    tiny = index.weights == "tiny"
    counts = index.samples.get("train", 0), index.samples.get("val", 0)
    return Findings(
        library=library, samples=samples, index=index, trials=trials, scores=scores, stages=stages,
        cost=cost,
        tables=report_tables.tables(Scored(config, scores, curves, tiny)),
        absent=report_notes.absent(config, list(scores)), missing=_missing(library),
        lead=report_notes.lead(config, *counts, tiny),
        facts=report_provenance.facts(config, index, stages),
        provenance=report_provenance.tables(library, trials, stages),
    )  # fmt: skip


def _missing(library: Library) -> list[str]:
    """Which of the datasets that the stage `report` reads are not committed in full."""
    config, found = library.config, []
    stages = {stage.name: stage for stage in dag(config)}
    for name in stages["report"].reads:
        shards = stages[name].shards(config)
        if not all(library.run.committed(name, shard) for shard in shards):
            found.append(name)
    return found
