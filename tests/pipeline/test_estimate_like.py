"""Seconds of a run that was really run, in place of the cards'."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline import config, devices, local, plan, plan_text
from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.shards import RunFolder

ROOT = Path(__file__).parents[2]
H100 = devices.find("H100")


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pilot") / "run"
    chosen = config.load(str(ROOT / "tests" / "data" / "standin.yaml"))
    assert local.run(chosen, ROOT / "tests" / "data" / "photos", out) == 0
    return out


def test_the_seconds_of_a_run_take_the_place_of_all_others(pilot: Path) -> None:
    chosen = config.load(str(ROOT / "tests" / "data" / "standin.yaml"))
    found = plan.made(chosen, 2400, 8, H100, pilot)
    manifests = [RunFolder(pilot).manifest("edit-1-clone", k) for k in range(chosen.shards)]
    spent = sum(m.attempt.seconds - m.attempt.phases.get("load", 0) for m in manifests)
    (edit,) = (w for w in found.works if w.stage.name == "edit-1-clone")
    assert edit.source == "run"
    assert edit.seconds == pytest.approx(spent / sum(len(m.ids_in) for m in manifests))
    assert edit.count == pytest.approx(found.config.samples / 2)
    assert found.like is not None and found.like.kept is not None
    assert found.config.samples == pytest.approx(2400 / found.like.kept, abs=1)
    said = plan_text.text(found)
    assert f"Measured by {pilot}: {len(found.works)} of {len(found.works)} stages" in said
    assert "Not measured" not in said and "Take care" not in said


def test_what_a_partial_run_lacks_is_named(pilot: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(pilot, part)
    for name in ("edit-3-clone", "score", "index", "report"):
        shutil.rmtree(part / "shards" / name)
    chosen = config.load(str(ROOT / "tests" / "data" / "standin.yaml"))
    found = plan.made(chosen, None, 8, H100, part)
    source = {w.stage.name: w.source for w in found.works}
    assert source["edit-3-clone"] == "run", "by the same family's other turns"
    assert source["score"] == source["index"] == "constant" and found.kept == 0.5
    said = plan_text.text(found)
    assert "Not measured there, so taken by seconds of another server: score, index, report" in said


def test_another_model_is_not_measured_by_its_stand_in(pilot: Path, paper: Config) -> None:
    found = plan.made(paper, None, 8, H100, pilot)
    source = {w.stage.name: w.source for w in found.works}
    assert source["ingest"] == "run" and source["propose"] == source["edit-1-flux"] == "card"
    assert found.kept == 0.5, "another judge"
    said = plan_text.text(found)
    assert "Take care: it ran on CPUs, not on H100." in said
    assert "Take care: bases.resolution is 64 there, 1024 here." in said


def test_a_run_with_nothing_in_it_is_no_pilot(pilot: Path, tmp_path: Path, paper: Config) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(pilot / "config.yaml", bare)
    with pytest.raises(InputError, match="nothing is committed in this run yet"):
        plan.made(paper, None, 8, H100, bare)
