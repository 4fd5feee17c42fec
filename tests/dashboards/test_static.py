"""The dashboards' files: what Grafana needs to load them, and that they ask for what there is."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from pipeline import metrics
from pipeline.code import ROOT
from tests.dashboards import boards, check, promql, tidy, units

BOARDS = {name: boards.read(name) for name in boards.NAMES}
PANELS = [pytest.param(panel, id=f"{name}: {panel['title']}")
          for name, board in BOARDS.items() for panel in boards.panels(board)]  # fmt: skip
#: Every expression, with variables as they are when a dashboard is opened.
EXPRESSIONS = [
    *((query.board, boards.fill(query.expr, boards.usual(board, 60, 1)))
      for name, board in BOARDS.items() for query in boards.queries(name, board)),
    *check.alerts(),
]  # fmt: skip
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: What Prometheus makes itself, and the labels that its operator gives to all series of a pod.
OWN = {"ALERTS": {"alertname", "alertstate", "severity", "run", "stage", "family"}}
POD = {"namespace"}


def labels(metric: str) -> set[str]:
    """Those that a series of this name has; a KeyError if nothing is called so."""
    if metric in OWN:
        return OWN[metric]
    found = metrics.ALL.get(metric)
    if found is not None and found.kind != "histogram":
        return {*found.labels}
    base, _, part = metric.rpartition("_")
    whole = metrics.ALL[base]
    if whole.kind != "histogram" or part not in ("bucket", "sum", "count"):
        raise KeyError(metric)
    return {*whole.labels, *(("le",) if part == "bucket" else ())}


@pytest.mark.parametrize("name", boards.NAMES)
def test_the_file_is_written_tidily(name: str) -> None:
    text = (boards.FOLDER / f"{name}.json").read_text()
    assert text == tidy.text(json.loads(text)), "run python -m tests.dashboards.tidy"


def test_these_are_all_of_them() -> None:
    assert {path.stem for path in boards.FOLDER.iterdir()} == set(boards.NAMES)


@pytest.mark.parametrize("name", boards.NAMES)
def test_grafana_can_provision_it(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == f"palimpsest-{name}" and board["schemaVersion"] == 39
    assert board["timezone"] == "browser" and "palimpsest" in board["tags"]
    assert "id" not in board and "__inputs" not in board  # an export's, which nothing fills in
    assert "${DS_" not in json.dumps(board)
    (link,) = board["links"]
    assert link["type"] == "dashboards" and link["tags"] == ["palimpsest"] and link["includeVars"]
    ids = [panel["id"] for panel in board["panels"]]
    assert ids and len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", boards.NAMES)
def test_panels_lie_side_by_side(name: str) -> None:
    placed = [(one["title"], one["gridPos"]) for one in BOARDS[name]["panels"]]
    for title, one in placed:
        assert one["x"] >= 0 and one["w"] > 0 and one["h"] > 0, title
        assert one["x"] + one["w"] <= 24, title
    for (title, one), (other, two) in combinations(placed, 2):
        apart = (one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
                 or one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"])  # fmt: skip
        assert apart, f"{title} lies over {other}"


@pytest.mark.parametrize("name", boards.NAMES)
def test_variables_are_used_and_may_stand_at_all(name: str) -> None:
    board = BOARDS[name]
    found = boards.variables(board)
    assert list(found)[:2] == ["datasource", "run"]
    assert (found["datasource"]["type"], found["datasource"]["query"]) == (
        "datasource",
        "prometheus",
    )
    asked = " ".join(query.expr for query in boards.queries(name, board))
    for variable in list(found.values())[1:]:
        assert variable["datasource"] == SOURCE
        assert variable["multi"] and variable["includeAll"] and variable["allValue"] == ".+"
        assert variable["query"]["query"] == variable["definition"]
        assert f'=~"${variable["name"]}"' in asked, f"${variable['name']} is used nowhere"
    # Of several that are chosen Grafana makes a pattern, which `=` would take for a name.
    assert not re.search(r'[^~]"\$[a-z_]', asked)
    known = {*found, "__rate_interval", "__range"}
    assert set(re.findall(r"\$([a-zA-Z_]\w*)", asked)) <= known


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 10 and panel["description"].endswith(".")
    assert panel["datasource"] == SOURCE
    assert all(target["datasource"] == SOURCE for target in panel["targets"])
    refs = [target["refId"] for target in panel["targets"]]
    assert refs and len(set(refs)) == len(refs)
    given = [panel["fieldConfig"]["defaults"]["unit"]]
    given += [change["value"] for one in panel["fieldConfig"]["overrides"]
              for change in one["properties"] if change["id"] == "unit"]  # fmt: skip
    for unit in given:
        assert units.shown(1234.5, unit)


@pytest.mark.parametrize("panel", PANELS)
def test_a_legend_names_labels_that_are_left(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        expr = boards.fill(target["expr"], {"__rate_interval": "1m", "__range": "1h"})
        left = promql.grouping(expr) | promql.replaced(expr)
        assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= left


@pytest.mark.parametrize(("where", "expr"), EXPRESSIONS)
def test_metrics_and_labels_are_those_of_the_program(where: str, expr: str) -> None:
    known = promql.replaced(expr) | POD
    for selector in promql.selectors(expr):
        here = labels(selector.metric)
        assert {matcher.label for matcher in selector.matchers} <= here, selector
        known |= here
    assert promql.grouping(expr) <= known


def test_a_word_that_does_not_exist_is_noticed() -> None:
    assert labels("palimpsest_stage_sample_seconds_bucket") >= {"le", "family"}
    for wrong in ("palimpsest_stage_sample_seconds", "palimpsest_stage_sample_seconds_total",
                  "palimpsest_run_kept", "up"):  # fmt: skip
        with pytest.raises(KeyError):
            labels(wrong)


def test_the_docs_speak_of_every_panel() -> None:
    page = (ROOT / "docs" / "dashboards.md").read_text()
    for board in BOARDS.values():
        for panel in boards.panels(board):
            assert panel["title"].split(",")[0] in page, panel["title"]
