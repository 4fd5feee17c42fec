"""A run with hand-made scores of every protocol, whole and in part."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from jobs import imported
from pipeline import released, runs
from pipeline.clock import Clock
from pipeline.config import Config
from pipeline.protocols import PROTOCOLS
from pipeline.shards import RunFolder
from pipeline.stage import read_run
from tests.jobs.published import pairs, zipped
from tests.training.report_read import COMMONMARK, Parsed, section
from tests.training.report_run import FAMILIES, Recipe, build
from training import report, report_cost, report_data
from training.paper import PUBLISHED
from training.report_gather import gather
from training.report_markdown import escape
from training.report_readings import NOTES


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, with both files told once."""
    run = build(tmp_path_factory.mktemp("every") / "run", Recipe(every=True))
    report.again(run)
    return run


@pytest.fixture(scope="module")
def page(every: Path) -> str:
    return (every / "report.html").read_text()


@pytest.fixture(scope="module")
def text(every: Path) -> str:
    return (every / "report.md").read_text()


def test_every_protocol_has_its_table_in_both(page: str, text: str) -> None:
    scores = section(page, "scores")
    assert re.findall(r'<div id="(\w+)" class="protocol">', scores) == list(PROTOCOLS)
    assert "was not run" not in page and "was not run" not in text
    parsed = Parsed(scores)
    for name, protocol in PROTOCOLS.items():
        assert protocol.title in parsed.text and f"### {protocol.title}" in text, name
        for note in NOTES[name]:
            assert note in parsed.text and escape(note) in text, note
    for figures in (one.figures for one in PUBLISHED if "Glide" not in one.row):
        for value in figures.values():
            assert f'<td class="n theirs">{value:.3f}</td>' in scores and f"| {value:.3f} |" in text


def test_the_tables_of_both_have_the_same_cells(every: Path, page: str, text: str) -> None:
    library = report_data.Library(RunFolder(every), read_run(every))
    found = gather(library, Clock())
    rows = COMMONMARK.render(text).count("<tr>")
    sections = (section(page, name) for name in ("scores", "cost", "provenance"))
    parsed = Parsed("".join(sections))
    tables = [*(table for some in found.tables.values() for table in some),
              *report_cost.tables(found.cost), *found.provenance]  # fmt: skip
    assert rows == sum(len(table.rows) + 1 for table in tables) == len(parsed.having("tr"))
    for cell in (cell for table in tables for row in table.rows for cell in row):
        assert cell.text in parsed.text and escape(cell.text) in text
        assert cell.more in parsed.text and escape(cell.more) in text


def test_figure_6_has_picture_truth_and_every_prediction_with_the_texts(page: str) -> None:
    panels = re.findall(r'<article class="card panel">.*?</article>', page, re.S)
    assert len(panels) == 6
    for panel in panels:
        parsed = Parsed(panel)
        heads = re.findall(
            r"<b>([^<]*)</b>(?:<span class=\"soft\">(\w+)</span>)?</figcaption>", panel
        )
        assert heads == [
            ("edited picture", ""), ("ground truth", ""), ("deeplabv3plus", "binary"),
            ("deeplabv3plus", "semantic"), ("fcn8s", "binary"), ("fcn8s", "semantic"),
        ]  # fmt: skip
        assert len(parsed.having("img")) == 6 and re.search(r"turn 1, \w+ of [^<]+: a ", panel)


@pytest.mark.slow
def test_it_is_told_again_of_a_run_that_is_not_complete(every: Path, tmp_path: Path) -> None:
    run = shutil.copytree(every, tmp_path / "run")
    folder = RunFolder(run)
    for dataset in ("index", "evaluate-table6-cnnspot-image", "evaluate-table2-fcn8s-binary"):
        folder.manifest_path(dataset, 0).unlink()
    folder.manifest_path("assemble-train", 1).unlink()
    html, text = report.again(run)
    assert (html, text) == (run / "report.html", run / "report.md")
    missing = "assemble-train, index, evaluate-table2-fcn8s-binary, evaluate-table6-cnnspot-image"
    assert f"Not committed yet: {missing}." in html.read_text()
    assert f"Not committed yet: {missing}." in text.read_text()
    assert "not committed yet</dd>" in section(html.read_text(), "provenance")
    whole = re.search(r'<div id="table6".*?</table>', html.read_text(), re.S)
    assert whole and "universalfakedet" in whole[0] and "cnnspot" not in whole[0]
    assert not folder.committed("report", 0)
    for manifest in run.glob("shards/evaluate-*/*.json"):
        manifest.unlink()
    told = report.again(run)[1].read_text()
    assert "was not run yet" in told and re.search(r"Not committed yet: .* and \d\d more\.", told)


def test_of_an_imported_dataset_nothing_is_told_that_was_not_published(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "train.zip", pairs(0, 20))
    known = released.filled(Config.model_validate({
        "profile": "published", "families": FAMILIES, "shard_size": 8, "val_share": 0.25,
        "imported": {"dataset": "diffseg30k"}, "detectors": {"fcn8s": {}}}), archive)  # fmt: skip
    run = tmp_path / "run"
    runs.begin(known, None, run)
    for split in ((), *(("--split", name) for name in ("train", "val", "filtered"))):
        assert imported.main([*split, f"--run={run}"]) == 0
    page, text = (path.read_text() for path in report.again(run))
    samples = section(page, "samples")
    assert "as published" in samples and "base not known" in samples
    for unknown in ("turn 1", "score -1", "photograph</span>", "does not keep the picture"):
        assert unknown not in samples, unknown
    assert "Pictures by family" in section(page, "statistics")
    assert "Scores of naturalness" not in page and "1024 × 1024" not in text
    assert "diffseg30k as published" in section(page, "provenance")
