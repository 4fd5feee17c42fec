"""Puts the page together: what the template is given, and the template.

in    `Findings` on a run
out   the page, as text

Texts of users and models reach the page through the template only, which escapes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline import runs
from pipeline.cards import Card as ModelCard
from pipeline.cards import Role, card
from pipeline.clock import Clock
from pipeline.config import Config
from pipeline.cost_said import sentences
from pipeline.documents import IndexFacts, Share
from pipeline.protocols import PROTOCOLS
from pipeline.units import duration
from training import (
    report_charts,
    report_cost,
    report_learning,
    report_panels,
    report_pictures,
    report_severity,
    report_sheet,
    report_stages,
)
from training.report_data import Kept
from training.report_gather import NOISE, Findings
from training.report_plots import Plot
from training.report_provenance import WALL

TEMPLATES = Path(__file__).parent / "templates"
TITLES = {name: protocol.title for name, protocol in PROTOCOLS.items()}


def page(found: Findings, clock: Clock) -> str:
    """The whole page."""
    config, index, library = found.config, found.index, found.library
    samples, trials, stages = found.samples, found.trials, found.stages
    with clock.phase("pictures"):
        cards = report_sheet.sheet(library, samples, trials, report_stages.skipped(stages))
        details = {i.key: i for s in stages.stages if s.name == "score" for i in s.rejected}
        strip = report_sheet.strip(library, samples, details)
        panels = report_panels.panels(library, samples, trials)
    columns, truth = report_sheet.grid(cards)
    with clock.phase("plots"):
        plots = _plots(found)
    with clock.phase("render"):
        return render(
            config=config, index=index, facts=found.facts, cards=cards, noise=NOISE,
            strip=strip, trials=trials, stages=stages, reasons=report_stages.reasons(stages),
            excerpt=report_stages.excerpt(stages), colours=report_pictures.colours(config),
            edited=report_pictures.EDITED, edits=_edits(samples), tables=found.tables,
            absent=found.absent, missing=found.incomplete, lead=found.lead, panels=panels,
            provenance=found.provenance, tiny=found.tiny, titles=TITLES,
            photographs=index.sources, models=_models(config), vocabulary=_scores(samples),
            lost=found.lost, notes=_notes(samples), wall=WALL, balance=_balance(index),
            bill=sentences(found.cost), costs=report_cost.tables(found.cost),
            ignored=runs.begun(library.run.path).get("ignored", {}),
            binary=any(t.metrics and t.of.task == "binary" for t in trials),
            columns=columns, truth=truth, **plots,
        )  # fmt: skip


def render(**given: Any) -> str:
    """Fill in the template. Everything is escaped, an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    jinja.filters |= {"duration": duration}
    return jinja.get_template("report.html.j2").render(**given)


def _plots(found: Findings) -> dict[str, list[Plot]]:
    from training import report_statistics

    trials, stages = found.trials, found.stages
    kept = [item for item in found.samples if item.split != "filtered"]
    plots: dict[str, list[Plot]] = {
        "statistics": [], "times": [], "spent": report_charts.costs(found.cost),
        "curves": report_learning.curves(trials),
        "confusions": [report_learning.confusion(trial.name, trial.metrics) for trial in trials
                       if trial.metrics and trial.of.task == "semantic"
                       and trial.metrics.confusion],
        "severity": report_severity.plots(found.scores.get("severity", ())),
    }  # fmt: skip
    if any(item.sample.edits for item in kept):
        plots["statistics"] = report_statistics.plots(kept, found.config)
    if stages.bars:
        colours = report_pictures.colours(found.config)
        plots["times"] = [report_charts.timeline(stages, colours), report_charts.seconds(stages)]
    return plots


def _edits(samples: Sequence[Kept]) -> int:
    return sum(len(kept.sample.edits) for kept in samples if kept.split != "filtered")


def _scores(samples: Sequence[Kept]) -> list[tuple[int, int]]:
    """How many samples got which score of naturalness."""
    found = Counter(kept.sample.score.score for kept in samples)
    return sorted(((score, n) for score, n in found.items() if score >= 0), reverse=True)


def _balance(index: IndexFacts) -> list[tuple[str, list[Share]]]:
    """The rows of each quota, in their order."""
    return [(quota, list(rows)) for quota, rows in groupby(index.balance, lambda row: row.quota)]


def _notes(samples: Sequence[Kept]) -> list[tuple[str, str]]:
    """(photograph, what ingest noted about it), each once."""
    found = {(k.sample.source.file, note) for k in samples for note in k.sample.source.notes}
    return sorted(found)


def _models(config: Config) -> list[tuple[str, str, ModelCard]]:
    """(role, name, card) of every model of the run."""
    wanted: list[tuple[Role, str, str]] = [("editors", "editor", name) for name in config.families]
    wanted += [("editors", "stand-in of an editor", name) for name in config.replays]
    if config.imported is None:
        wanted.append(("vlms", "language model", config.vlm))
        wanted.append(("segmenters", "segmenter", config.segmenter))
    wanted += [("detectors", "detector", name) for name in config.detectors]
    return [(said, name, card(role, name)) for role, said, name in wanted]
