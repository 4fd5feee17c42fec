"""A real run on a real Prometheus: no panel and no alert looks at nothing, and a typo is caught."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipeline import audit
from tests.dashboards import boards, check, draw
from tests.dashboards.__main__ import moments
from tests.dashboards.boards import Query
from tests.dashboards.check import Checker, Empty
from tests.dashboards.watched import Watched, watched

PROFILE = Path(__file__).with_name("watched.yaml")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
METRIC = re.compile(r"palimpsest_\w+|ALERTS")
MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"([^"]*)"')


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("watched"), str(PROFILE), 2.0) as found:
        yield found


@pytest.fixture(scope="module")
def checker(seen: Watched) -> Checker:
    return Checker(seen, Empty.read())


def expressions(seen: Watched) -> list[str]:
    """Of all panels and alerts, with variables as they are when a dashboard is opened."""
    found = [expr for _, expr in check.alerts()]
    for name in boards.NAMES:
        board = boards.read(name)
        values = boards.usual(board, seen.end - seen.start, seen.scrape)
        found += [boards.fill(query.expr, values) for query in boards.queries(name, board)]
    return found


def test_every_query_has_data_or_a_reason_to_have_none(seen: Watched) -> None:
    rows = check.check(seen, Empty.read())
    assert len(rows) > 90
    wrong = [row for row in rows if row.faults]
    assert not wrong, check.as_text(wrong)


def test_what_is_on_the_dashboards_is_what_the_audit_counts(seen: Watched) -> None:
    found = audit.audit(seen.server.log.parent / "demo")
    splits = {
        split: found.stages[f"assemble-{split}"].out for split in ("train", "val", "filtered")
    }
    (panel,) = (one for one in boards.panels(boards.read("run")) if one["title"] == "Fates")
    expr = boards.fill(panel["targets"][0]["expr"], {"run": ".+"})
    shown = {labels["fate"]: value for labels, value in seen.server.query(expr, seen.end)}
    quarantined = 144 - sum(splits.values())
    assert shown == {"kept": splits["train"] + splits["val"], "filtered": splits["filtered"],
                     "quarantined": quarantined}  # fmt: skip


def test_a_run_without_a_retry_started_nothing_again(seen: Watched) -> None:
    board = boards.read("health")
    values = boards.usual(board, seen.end - seen.start, seen.scrape)
    (query,) = (one for one in boards.queries("health", board) if one.panel == "Started again")
    ((_, points),) = seen.range(boards.fill(query.expr, values))
    assert {value for _, value in points} == {0}


def test_a_misspelt_name_label_or_value_is_caught_wherever_it_stands(
    seen: Watched, checker: Checker
) -> None:
    planted = 0
    for expr in expressions(seen):
        assert not checker.faults(expr), expr
        for wrong in typos(expr):
            planted += 1
            assert checker.faults(wrong), f"nobody notices the typo in {wrong}"
    assert planted > 400


def typos(expr: str) -> Iterator[str]:
    """The expression with one thing misspelt, for each metric, label and value in it."""
    for found in METRIC.finditer(expr):
        yield f"{expr[: found.end()]}x{expr[found.end() :]}"
    for found in MATCHER.finditer(expr):
        yield f"{expr[: found.end(1)]}x{expr[found.end(1) :]}"
        if found[3] not in ("", ".+"):
            yield f"{expr[: found.start(3)]}x{expr[found.start(3) :]}"


@pytest.mark.parametrize(
    ("expr", "fault"),
    [
        ("sum(palimpsest_run_shard)", "nothing is called palimpsest_run_shard"),
        ('sum(palimpsest_run_shards{runs=~".+"})', "no palimpsest_run_shards has a label runs"),
        ('sum(palimpsest_run_samples_total{outcome!="OK"})', "has outcome OK"),
        ('sum(palimpsest_run_shards) by (stage) > 1e9', "no data"),
        ("sum(palimpsest_run_shards", "400"),
    ],
)  # fmt: skip
def test_a_panel_that_would_stay_empty_is_a_fault(checker: Checker, expr: str, fault: str) -> None:
    row = checker.panel(Query("run", "planted", expr, ""), {})
    assert any(fault in one for one in row.faults), row
    assert fault in check.as_text([row]).replace("\n", " ")


def test_the_list_of_what_is_empty_does_not_rot(seen: Watched) -> None:
    said = Empty.read()
    full = dataclasses.replace(
        said,
        panels={**said.panels, ("run", "Fates"): "planted", ("run", "Gone"): "planted"},
        selectors={**said.selectors, "palimpsest_disk_free_bytes": "planted"},
        values={**said.values, 'palimpsest_run_score{score="miou"}': "planted"},
        used=set(),
    )
    wrong = {(row.board, row.panel): row.faults for row in check.check(seen, full) if row.faults}
    assert "has data, and empty.yaml says: planted" in wrong["run", "Fates"][-1]
    assert "has data, and empty.yaml says: planted" in wrong["run", "Disk free"][0]
    assert "has data, and empty.yaml says: planted" in wrong["training", "Evaluations"][0]
    assert wrong["empty.yaml", "('run', 'Gone')"] == ("nothing asks for this any more",)


def test_every_dashboard_is_drawn(seen: Watched, tmp_path: Path) -> None:
    at = moments(seen)
    assert 0 < at["run"] < at["health"] < at["training"] == seen.end - seen.start
    paths = draw.draw_all(seen, at, tmp_path)
    assert [path.name for path in paths] == [f"dashboard-{name}.png" for name in boards.NAMES]
    for path in paths:
        assert path.stat().st_size < 300_000
        with Image.open(path) as picture:
            assert picture.width == 1600
            # Dark boxes alone have a handful of shades.
            assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 100
