"""Tables of scores: ours with its interval, beside it the paper's figure where the paper has one.

in    the rows that evaluations committed, the config, the training curves
out   `Table`s of plain text, which the page and the Markdown file both show

A row that the paper has no figure for has an empty cell, never a made-up one; a protocol without
rows has no table at all (report_notes.absent says why).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline import protocols
from pipeline.config import Config, ProtocolName
from pipeline.documents import Curve, Metrics, Task
from training import report_columns as columns
from training import report_notes
from training.report_columns import DASH
from training.report_conditions import CLEAN, published, scored_on, trained_on

Kind = Literal["name", "words", "phrase", "figure", "paper", "count", "digest"]


@dataclass(frozen=True, slots=True)
class Cell:
    """`more` stands smaller below `text`: an interval, or how a detector was built."""

    text: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    head: str
    kind: Kind = "words"


@dataclass(frozen=True, slots=True)
class Table:
    """`notes` stand under it; a `folded` one is opened by whoever wants it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Scored:
    """What was evaluated. `curves` are by the trial's name, `tiny` says whose weights painted."""

    config: Config
    rows: dict[ProtocolName, tuple[Metrics, ...]]
    curves: dict[str, Curve] = field(default_factory=dict)
    tiny: bool = False

    def setup(self, row: Metrics) -> str:
        """How the detector of a row was built and fed, so that nobody compares unlike with like."""
        task: Task = "binary" if row.protocol == "classifiers" else row.task
        trial = protocols.Trial(row.detector, task, row.subset)
        curve = self.curves.get(trial.name)
        section = self.config.detectors.get(row.detector)
        said = [curve.encoder] if curve else []
        if section:
            said += [f"{section.recipe} recipe", *([] if section.pretrained else ["from scratch"])]
        return " · ".join(said)


def tables(scored: Scored) -> dict[ProtocolName, tuple[Table, ...]]:
    """The tables of every protocol that has rows, in the order of `PROTOCOLS`."""
    found = {name: scored.rows.get(name, ()) for name in protocols.PROTOCOLS}
    return {name: tuple(_of(scored, name, rows)) for name, rows in found.items() if rows}


def _of(scored: Scored, name: ProtocolName, rows: Sequence[Metrics]) -> list[Table]:
    title, notes = protocols.PROTOCOLS[name].title, report_notes.notes(scored.config, name, rows)
    curves = name == "severity"  # its plots stand above
    figures = f"{title}: all figures" if curves else title
    made = [_figures(scored, figures, rows, notes, folded=curves)]
    semantic = [row for row in rows if row.task == "semantic" and row.iou]
    if name in ("table2", "table4") and semantic:
        made.append(_families(scored, f"{title}: IoU by family", semantic))
    return made


def _figures(
    scored: Scored, title: str, rows: Sequence[Metrics], notes: tuple[str, ...], folded: bool
) -> Table:
    """One line for each row; a column of the paper's beside each figure that it has."""
    papers = [published(scored.config, row) for row in rows]
    heads = columns.heads(scored.config, rows)
    shown = [(key, any(paper and key in paper.figures for paper in papers)) for key in heads]
    leads, cells = _who(scored, rows)
    head = [*leads]
    for key, compared in shown:
        head += [Column(heads[key], "figure"), *([Column(columns.paper(key), "paper")] * compared)]
    head += [Column("pictures", "count"), Column("size", "count")]
    lines = []
    for row, paper, who in zip(rows, papers, cells, strict=True):
        line = [*who]
        for key, compared in shown:
            line.append(Cell(*columns.value(scored.config, row, key)))
            if compared:
                known = paper.figures.get(key) if paper else None
                line.append(Cell() if known is None else Cell(columns.three(known)))
        size = f"{row.size} px" if row.size else DASH
        lines.append((*line, Cell(f"{row.samples:,}"), Cell(size)))
    return Table(title, tuple(head), tuple(lines), notes, folded)


def _families(scored: Scored, title: str, rows: Sequence[Metrics]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row.iou))
    leads, cells = _who(scored, rows)
    lines = [
        (*who, *(Cell(columns.three(row.iou.get(name))) for name in names))
        for who, row in zip(cells, rows, strict=True)
    ]
    return Table(title, (*leads, *(Column(name, "figure") for name in names)), tuple(lines))


def _who(scored: Scored, rows: Sequence[Metrics]) -> tuple[list[Column], list[tuple[Cell, ...]]]:
    """Who was scored at what: the columns that tell the rows of a table apart."""
    subsets = {row.subset for row in rows} != {protocols.ALL}
    conditions = {row.condition for row in rows} != {CLEAN}
    head = [Column("detector", "name"), Column("task")]
    head += [Column("trained on")] * subsets + [Column("scored on", "phrase")] * conditions
    cells, told = [], set()
    for row in rows:
        setup = "" if scored.setup(row) in told else scored.setup(row)
        told.add(scored.setup(row))
        more = " · ".join([*([setup] if setup else []), *(["tiny weights"] if scored.tiny else [])])
        line = [Cell(row.detector, more), Cell(row.task)]
        line += [Cell(trained_on(scored.config, row.subset))] * subsets
        line += [Cell(scored_on(scored.config, row.protocol, row.condition))] * conditions
        cells.append(tuple(line))
    return head, cells
