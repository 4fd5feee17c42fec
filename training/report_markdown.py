"""The report's tables, notes and provenance as one Markdown file.

in    `Findings`
out   Markdown (CommonMark with tables), readable as it is; every text in it is escaped

Pictures and plots are on the page alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pipeline.cost_said import sentences
from training import report_cost
from training.report_gather import NOISE, Findings
from training.report_tables import Cell, Table

RIGHT = frozenset({"figure", "paper", "count"})
#: What may begin markup within a line, a template's braces and what turns an address into a link
#: among it; then, what may at its start. Figures and sentences stay readable.
_WITHIN = re.compile(r"([\\`*_{}\[\]|~$!@]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_START = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[#+=-]))(.)")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """One line that shows `text` as it is: no markup, no link, no HTML, no control characters."""
    flat = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    marked = _WITHIN.sub(r"\\\1", " ".join(flat.split()))
    marked = _START.sub(r"\1\\\2", marked)
    return re.sub("[&<>]", lambda found: _HTML[found[0]], marked)


def markdown(found: Findings) -> str:
    """The whole file."""
    blocks = [f"# Palimpsest: {escape(found.config.profile)}"]
    if found.tiny:
        blocks.append(f"**Tiny random weights paint noise.** {NOISE}")
    if found.missing:
        blocks.append(f"**This run is not complete.** Not committed yet: "
                      f"{escape(found.incomplete)}.")  # fmt: skip
    counts = ", ".join(f"{n:,} {split}" for split, n in found.index.samples.items())
    blocks.append(f"Samples: {escape(counts)}; {found.lost:,} quarantined.")
    blocks += ["## Scores", *_scores(found)]
    blocks += ["## Cost", "\n".join(f"- {escape(said)}" for said in sentences(found.cost))]
    for table in report_cost.tables(found.cost):
        blocks += _table(table)
    blocks += ["## Provenance", "\n".join(_facts(found.facts))]
    for table in found.provenance:
        blocks += _table(table)
    return "\n\n".join(blocks) + "\n"


def _scores(found: Findings) -> Iterable[str]:
    if not found.config.detectors:
        yield "This run has no detectors, so there are no scores."
    if found.tables:
        yield escape(found.lead)
    for tables in found.tables.values():
        for table in tables:
            yield from _table(table)
    if found.absent:
        yield "### Not run"
        yield "\n".join(f"- {escape(line)}" for line in found.absent)


def _facts(facts: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"- {escape(name)}: {escape(value)}" for name, value in facts)


def _table(table: Table) -> Iterable[str]:
    yield f"### {escape(table.title)}"
    lines = [_line(escape(column.head) for column in table.columns)]
    lines.append(_line("---:" if column.kind in RIGHT else "---" for column in table.columns))
    lines += [_line(_cell(cell) for cell in row) for row in table.rows]
    yield "\n".join(lines)
    if table.notes:
        yield "\n".join(f"- {escape(note)}" for note in table.notes)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    more = f" ({escape(cell.more)})" if cell.more else ""
    return escape(cell.text) + more
