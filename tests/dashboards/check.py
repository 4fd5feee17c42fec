"""Every query of every dashboard and alert, against a Prometheus that has watched a real run:
`make dashboards` prints the table and draws the pictures.

Whatever has no data is a fault, unless empty.yaml says why it has none. What an expression selects
is looked at piece by piece, for a sum over nothing and `or` may hide a piece that is misspelt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

import yaml

from pipeline.code import ROOT
from tests.dashboards import boards, promql
from tests.dashboards.boards import Query
from tests.dashboards.promql import Matcher, Selector
from tests.dashboards.watched import Watched
from tests.servers import Labels

ALERTS = ROOT / "charts" / "palimpsest" / "alerts"
EMPTY = Path(__file__).with_name("empty.yaml")
VARIABLES = ("run", "family", "detector")
OPPOSITE = {"!=": "=", "!~": "=~"}


@dataclass(frozen=True)
class Row:
    """One line of the table. `faults` is empty if all is well; `why` says why there is no data."""

    board: str
    panel: str
    expr: str
    series: int
    why: str = ""
    faults: tuple[str, ...] = ()


@dataclass
class Empty:
    """What is meant to be empty, with its reason; `used` are the lines that something asked for."""

    panels: Mapping[tuple[str, str], str]
    selectors: Mapping[str, str]
    values: Mapping[str, str]
    used: set[object] = field(default_factory=set)

    @staticmethod
    def read(path: Path = EMPTY) -> Empty:
        said = yaml.safe_load(path.read_text())
        named = {(board, title): why for board, titles in said["panels"].items()
                 for title, why in titles.items()}  # fmt: skip
        return Empty(named, said["selectors"], said["values"])

    def unused(self) -> list[object]:
        return [one for part in (self.panels, self.selectors, self.values) for one in part
                if one not in self.used]  # fmt: skip


class Checker:
    """Holds queries against what `watched` recorded."""

    def __init__(self, watched: Watched, empty: Empty) -> None:
        self.watched, self.empty = watched, empty
        self._series: dict[str, list[Labels]] = {}

    def panel(self, query: Query, values: Mapping[str, str]) -> Row:
        expr = boards.fill(query.expr, values)
        try:
            found = self.watched.range(expr)
        except ValueError as error:
            return Row(query.board, query.panel, expr, 0, faults=(str(error),))
        count = sum(any(isfinite(value) for _, value in points) for _, points in found)
        faults = self.faults(expr)
        key = (query.board, query.panel)
        why = self.empty.panels.get(key, "")
        if why:
            self.empty.used.add(key)
        if not count and not why:
            faults.append("no data")
        if count and why:
            faults.append(f"has data, and empty.yaml says: {why}")
        return Row(query.board, query.panel, expr, count, why, tuple(faults))

    def alert(self, name: str, expr: str) -> Row:
        """An alert that stays silent has no data itself; all that it looks at must have some."""
        try:
            selected = promql.selectors(expr)
            self.watched.server.query(expr)
        except ValueError as error:
            return Row("alert", name, expr, 0, faults=(str(error),))
        count = sum(len(self.series(str(one))) for one in selected)
        whys = {self.empty.selectors.get(bare(one), "") for one in selected} - {""}
        return Row("alert", name, expr, count, "; ".join(sorted(whys)),
                   tuple(self.faults(expr)))  # fmt: skip

    def variable(self, board: str, name: str, asked: str, values: Mapping[str, str]) -> Row:
        found = boards.LABEL_VALUES.fullmatch(boards.fill(asked, values))
        if not found:
            return Row(board, f"${name}", asked, 0, faults=("not a label_values(metric, label)",))
        metric, label = found.groups()
        known = {one[label] for one in self.series(metric) if one.get(label)}
        faults = [*self.faults(metric), *(() if known else ("no values",))]
        return Row(board, f"${name}", asked, len(known), faults=tuple(faults))

    def faults(self, expr: str) -> list[str]:
        """Of all that the expression selects."""
        return [fault for one in promql.selectors(expr) for fault in self.selector(one)]

    def selector(self, selector: Selector) -> Iterator[str]:
        """What is wrong with it: nothing has its name, a label, a value that it names, or all."""
        if (key := bare(selector)) in self.empty.selectors:
            self.empty.used.add(key)
            if self.series(str(selector)):
                yield f"{key} has data, and empty.yaml says: {self.empty.selectors[key]}"
            return
        if not (all_of_it := self.series(selector.metric)):
            yield f"nothing is called {selector.metric}"
            return
        for matcher in selector.matchers:
            if not any(matcher.label in one for one in all_of_it):
                yield f"no {selector.metric} has a label {matcher.label}"
            else:
                yield from self._values(selector.metric, matcher)
        if not self.series(str(selector)):
            yield f"nothing is selected by {selector}"

    def _values(self, metric: str, matcher: Matcher) -> Iterator[str]:
        op = OPPOSITE.get(matcher.op, matcher.op)
        for word in filter(None, matcher.words):
            key = f'{metric}{{{matcher.label}="{word}"}}'
            seen = bool(self.series(f"{metric}{{{Matcher(matcher.label, op, word)}}}"))
            if key in self.empty.values:
                self.empty.used.add(key)
                if seen:
                    yield f"{key} has data, and empty.yaml says: {self.empty.values[key]}"
            elif not seen:
                yield f"no {metric} has {matcher.label} {word}"

    def series(self, selector: str) -> list[Labels]:
        if selector not in self._series:
            self._series[selector] = self.watched.server.series(selector)
        return self._series[selector]


def bare(selector: Selector) -> str:
    """Without the variables, which stand at All."""
    kept = tuple(one for one in selector.matchers
                 if (one.label in VARIABLES, one.op, one.value) != (True, "=~", ".+"))  # fmt: skip
    return str(Selector(selector.metric, kept))


def alerts() -> list[tuple[str, str]]:
    """Name and expression of every alert of the chart."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(ALERTS.glob("*.yaml"))]
    return [(rule["alert"], rule["expr"])
            for file in files for group in file["groups"] for rule in group["rules"]]  # fmt: skip


def check(watched: Watched, empty: Empty) -> list[Row]:
    """All rows, and one for what empty.yaml says in vain."""
    checker, rows = Checker(watched, empty), []
    for name in boards.NAMES:
        board = boards.read(name)
        values = boards.usual(board, watched.end - watched.start, watched.scrape)
        for variable, given in boards.variables(board).items():
            if given["type"] == "query":
                rows.append(checker.variable(name, variable, given["definition"], values))
        rows += [checker.panel(query, values) for query in boards.queries(name, board)]
    rows += [checker.alert(*alert) for alert in alerts()]
    rows += [Row("empty.yaml", str(one), "", 0, faults=("nothing asks for this any more",))
             for one in empty.unused()]  # fmt: skip
    return rows


def as_text(rows: Sequence[Row], width: int = 96) -> str:
    """The table: where, how many series, what is asked; faults and reasons below their row."""
    lines = []
    for row in rows:
        asked = " ".join(row.expr.split())
        asked = asked if len(asked) <= width else asked[: width - 1] + "…"
        lines.append(f"{row.board:<11} {row.panel:<40.40} {row.series:>5}  {asked}")
        notes = [*(f"FAULT: {one}" for one in row.faults), row.why and f"meant to be: {row.why}"]
        lines += [f"{'':<59}{note}" for note in notes if note]
    wrong = sum(bool(row.faults) for row in rows)
    return "\n".join([*lines, f"{len(rows)} rows, {wrong} with faults"])
