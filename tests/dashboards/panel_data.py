"""What a panel shows, asked of Prometheus as Grafana would ask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from tests.dashboards.boards import Doc, fill, usual
from tests.dashboards.watched import Watched
from tests.servers import Labels

#: How many moments a line has at most.
MOMENTS = 300


@dataclass(frozen=True)
class Line:
    """A series over time: seconds since the start of the run, and values."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Value:
    """A series at the moment of the picture."""

    name: str
    labels: Labels
    value: float
    ref: str


@dataclass(frozen=True)
class View:
    """A dashboard as it was seen `seconds` after the start of a run."""

    watched: Watched
    board: Doc
    seconds: float

    @property
    def values(self) -> Mapping[str, str]:
        return usual(self.board, self.seconds, self.watched.scrape)

    @property
    def step(self) -> float:
        return max(self.watched.scrape, round(self.seconds / MOMENTS))

    def lines(self, panel: Doc) -> list[Line]:
        begun, found = self.watched.start, []
        for target in panel["targets"]:
            for labels, points in self.watched.server.query_range(
                fill(target["expr"], self.values), begun, begun + self.seconds, self.step
            ):
                moved = tuple((at - begun, value) for at, value in points)
                found.append(Line(named(target, labels), moved))
        return found

    def now(self, panel: Doc) -> list[Value]:
        at = self.watched.start + self.seconds
        return [
            Value(named(target, labels), labels, value, target["refId"])
            for target in panel["targets"]
            for labels, value in self.watched.server.query(fill(target["expr"], self.values), at)
        ]

    def rows(self, panel: Doc) -> tuple[list[str], list[dict[str, str | float]]]:
        """Of a table: its columns and its rows, after the panel's transformations."""
        steps = {one["id"]: one["options"] for one in panel["transformations"]}
        if unknown := steps.keys() - {"merge", "organize", "labelsToFields"}:
            raise ValueError(f"{panel['title']}: transformations {unknown} are not drawn")
        pivot = steps.get("labelsToFields", {}).get("valueLabel")
        many, merged = (
            len(panel["targets"]) > 1,
            dict[frozenset[tuple[str, str]], dict[str, float]](),
        )
        for one in self.now(panel):
            rest = {key: text for key, text in one.labels.items() if key != pivot}
            column = one.labels[pivot] if pivot else f"Value #{one.ref}" if many else "Value"
            merged.setdefault(frozenset(rest.items()), {})[column] = one.value
        order = steps["organize"]["indexByName"]
        hidden = steps["organize"]["excludeByName"]
        names = steps["organize"]["renameByName"]
        rows = [{names.get(key, key): found for key, found in (dict(labels) | values).items()
                 if key not in hidden} for labels, values in merged.items()]  # fmt: skip
        columns = [names.get(key, key) for key in sorted(order, key=lambda key: order[key])]
        for by in panel["options"].get("sortBy", []):
            rows.sort(key=lambda row: _key(row.get(by["displayName"], nan)), reverse=by["desc"])
        return [one for one in columns if any(one in row for row in rows)], rows


def _key(value: str | float) -> tuple[bool, str, float]:
    return (isinstance(value, str), value if isinstance(value, str) else "",
            0.0 if isinstance(value, str) or value != value else value)  # fmt: skip


def named(target: Doc, labels: Labels) -> str:
    """By the target's legend, as `{{family}}`."""
    legend = target.get("legendFormat", "")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip(" ,")
