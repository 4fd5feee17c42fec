"""The dashboards as they lie in the chart: their panels, queries and variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.code import ROOT

FOLDER = ROOT / "charts" / "palimpsest" / "dashboards"
NAMES = ("run", "throughput", "training", "health")
LABEL_VALUES = re.compile(r"label_values\((?:(.+), *)?(\w+)\)")
Doc = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """A target of a panel; `expr` as it is written, with variables."""

    board: str
    panel: str
    expr: str
    legend: str


def read(name: str) -> Doc:
    found: Doc = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def panels(board: Doc) -> Iterator[Doc]:
    """Those that show something; rows are left out."""
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panels({"panels": panel.get("panels", [])})


def queries(name: str, board: Doc) -> list[Query]:
    return [Query(name, panel["title"], target["expr"], target.get("legendFormat", ""))
            for panel in panels(board) for target in panel["targets"]]  # fmt: skip


def variables(board: Doc) -> dict[str, Doc]:
    return {one["name"]: one for one in board["templating"]["list"]}


def fill(expr: str, values: Mapping[str, str]) -> str:
    """Grafana's part: `$name` becomes its value. What it does not know it leaves as it is."""
    return re.sub(r"\$(\w+)", lambda found: values.get(found[1], found[0]), expr)


def usual(board: Doc, span: float, scrape: float) -> dict[str, str]:
    """The variables as they are when a dashboard is opened on a run of `span` seconds that was
    scraped every `scrape` seconds: all runs, all families, and Grafana's own windows."""
    chosen = {
        name: one["allValue"] for name, one in variables(board).items() if one["type"] == "query"
    }
    window = f"{max(1, round(4 * scrape))}s"
    return chosen | {"__rate_interval": window, "__range": f"{max(1, round(span))}s"}
