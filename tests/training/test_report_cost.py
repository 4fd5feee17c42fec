"""The report's section on costs: the figures of `palimpsest cost`, on the page and in Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cost import reckon
from pipeline.cost_said import KILLED, each, sentences
from pipeline.shards import RunFolder
from pipeline.stage import read_run
from tests.training.report_read import Parsed, made, page_of, section, text_of
from tests.training.report_run import FAMILIES, Recipe, build
from training import report, report_charts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cost") / "run"
    made(path, Recipe())
    return path


def priced(path: Path, **prices: Any) -> str:
    """The section as it is told again with prices in the run's config."""
    config = yaml.safe_load((path / "config.yaml").read_text())
    (path / "config.yaml").write_text(yaml.safe_dump(config | {"prices": prices}))
    return section(report.again(path)[0].read_text(), "cost")


def cells(told: str, name: str) -> list[str]:
    found = re.search(rf'<th scope="row">{name}</th>(.*?)</tr>', told, re.S)
    assert found, name
    return re.findall(r"<td[^>]*>(.*?)</td>", found[1])


def test_every_family_has_the_figures_of_the_command(run: Path) -> None:
    config = read_run(run)
    found = reckon(RunFolder(run), config, without=("report",))
    told = section(page_of(run), "cost")
    lines = {one.name: one for one in found.families}
    assert list(lines) == [*FAMILIES, "others"]
    for name, one in lines.items():
        row = cells(told, name)
        assert row[0] == one.device.upper() and row[-1] == each(one.per_kept_sample)
        assert row[-3:-1] == ["–" if one.edits is None else str(one.edits), each(one.per_kept_edit)]
        assert f"| {name} | {' | '.join(row)} |" in text_of(run)
    for said in (*sentences(found), KILLED, "went into samples that were filtered"):
        assert said in Parsed(told).text


def test_kept_edits_are_those_of_the_kept_samples(run: Path) -> None:
    """As the recipe paints: a sixth is filtered, turn 2 of every seventh is declined."""
    expected = dict.fromkeys(FAMILIES, 0)
    for number in (n for n in range(24) if n % 6 != 5):
        for turn in range(1, 1 + min(3, 1 + number // 2 % 4)):
            if (turn, number % 7) != (2, 2):
                expected[list(FAMILIES)[(number * 3 + turn) % 8]] += 1
    told = section(page_of(run), "cost")
    assert {name: int(cells(told, name)[-3]) for name in FAMILIES} == expected


def test_money_is_told_with_prices_only(run: Path, tmp_path: Path) -> None:
    assert "No money is told" in section(page_of(run), "cost")
    path = build(tmp_path / "run", Recipe(samples=8))
    told = priced(path, gpu_hour=3600.0, cpu_hour=None, currency="CHF")
    config = read_run(path)
    found = reckon(RunFolder(path), config, without=("report",))
    sdxl = next(one for one in found.families if one.name == "sdxl")
    assert sdxl.device == "gpu" and cells(told, "sdxl")[-1] == f"{sdxl.seconds:,.2f}"
    assert cells(told, "others")[-2:] == ["–", "–"], "nobody knows what a CPU costs"
    assert "CHF per kept sample" in told and "without a price (prices.cpu_hour" in told


def test_the_plot_tells_who_looks_at_it_with_a_reader(run: Path) -> None:
    (svg,) = (one for one in Parsed(section(page_of(run), "cost")).having("svg"))
    found = reckon(RunFolder(run), read_run(run), without=("report",))
    filtered = next(one for one in found.families if one.name == "flux").fates["filtered"]
    assert f"filtered {filtered:.1f} s" in str(svg["aria-label"]) and filtered > 0


def test_a_run_that_is_not_complete_is_told_of(tmp_path: Path) -> None:
    path = build(tmp_path / "run", Recipe(samples=16, detectors=False))
    RunFolder(path).manifest_path("assemble-val", 1).unlink()
    html, text = (one.read_text() for one in report.again(path))
    told = section(html, "cost")
    assert "This run is not complete" in told and "8 samples are undecided" in text
    assert ">undecided</th>" in told and "undecided samples" in told


def test_a_run_of_which_nothing_is_committed(tmp_path: Path) -> None:
    path = build(tmp_path / "run", Recipe(samples=8, detectors=False))
    for manifest in path.glob("shards/*/*.json"):
        manifest.unlink()
    told = section(report.again(path)[0].read_text(), "cost")
    assert "<table" not in told and "<svg" not in told
    assert report_charts.costs(reckon(RunFolder(path), read_run(path))) == []
