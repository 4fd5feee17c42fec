"""What is generated is as the DAG has it; where it is not is named; a user may add a profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pipeline import config, pods, render
from pipeline.code import ROOT
from pipeline.errors import BUG, OK, PERMANENT, ConfigError, guard

MINE = """
profile: mine
samples: 12
families: {heal: 2}
editing: {weights: local, device: cpu}
"""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A copy of everything that is generated, and of what it is generated from."""
    for name in ("charts", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / render.PICTURE, tmp_path / render.PICTURE)
    return tmp_path / render.CHART


def test_what_is_committed_is_what_is_rendered(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.main_render(True) == OK, capsys.readouterr().out


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_rendering_again_writes_nothing(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands there was rendered by another process, at another time, in another folder."""
    before = contents(chart.parent.parent)
    assert render.main_render(False, chart=chart) == OK
    assert capsys.readouterr().out.endswith(" files are as the DAG has them\n")
    assert contents(chart.parent.parent) == before


def test_drift_is_named_and_mended(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = chart.parent.parent
    sound = contents(root)
    workflow = chart / "files" / "workflows" / "demo.yaml"
    workflow.write_text(workflow.read_text().replace("parallelism: 64", "parallelism: 65"))
    (root / render.PICTURE).write_text(
        (root / render.PICTURE).read_text().replace('"ingest"', '"digest"')
    )
    (chart / "files" / "config" / "paper.yaml").unlink()
    stray = root / "manifests" / "base" / "stray.yaml"
    stray.write_text("kind: Secret\n")
    before = contents(root)
    assert render.main_render(True, chart=chart) == BUG
    said = capsys.readouterr()
    named = {line.removeprefix("differs: ") for line in said.out.splitlines()}
    wanted = {workflow, root / render.PICTURE, chart / "files/config/paper.yaml", stray}
    assert named == {str(path) for path in wanted}
    assert "run `palimpsest render` and commit" in said.err
    assert contents(root) == before
    assert render.main_render(False, chart=chart) == OK
    assert contents(root) == sound  # by the second rendering of this process


def test_a_changed_value_of_the_chart_reaches_the_manifests(chart: Path) -> None:
    values = chart / "values.yaml"
    values.write_text(values.read_text().replace("size: 1Ti", "size: 3Ti"))
    assert render.main_render(True, chart=chart) == BUG
    assert render.main_render(False, chart=chart) == OK
    claim = chart.parent.parent / "manifests/base/persistentvolumeclaim-palimpsest-data.yaml"
    assert "storage: 3Ti" in claim.read_text()


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def test_a_profile_of_ones_own_is_two_files_in_a_chart(mine: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("name: palimpsest\n")
    assert render.main_render(True, str(mine), chart) == BUG
    assert render.main_render(False, str(mine), chart) == OK
    found = sorted(str(path.relative_to(chart)) for path in chart.rglob("*") if path.is_file())
    assert found == ["Chart.yaml", "files/config/mine.yaml", "files/workflows/mine.yaml"]
    assert render.main_render(True, str(mine), chart) == OK
    template = yaml.safe_load((chart / "files/workflows/mine.yaml").read_text())
    assert template["metadata"]["name"] == "mine"
    names = {node.template for node in pods.expand(template)}
    assert "edit-3-heal" in names and not any(name.startswith("fetch-") for name in names)
    assert config.read(chart / "files/config/mine.yaml").editing.folder == "/models"


@pytest.mark.parametrize("name", ["Mine", "my profile", "mine.v1", "-mine", "m" * 33, "mine\n", ""])
def test_a_profile_whose_name_is_no_dns_label(name: str, mine: Path, tmp_path: Path) -> None:
    chosen = config.read(mine).model_copy(update={"profile": name})
    with pytest.raises(ConfigError, match="cannot be part of a Kubernetes name: give 1 to 32"):
        render.in_chart(chosen, tmp_path)


def test_a_profile_that_takes_a_shipped_name(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine.write_text(MINE.replace("profile: mine", "profile: demo"))
    code = guard(lambda argv: render.main_render(True, argv[0]), [str(mine)])
    assert code == PERMANENT
    assert "'demo' is the name of a profile that comes with" in capsys.readouterr().err
    assert render.main_render(True, "demo") in (OK, BUG), "the shipped one itself may be rendered"


def test_a_folder_that_is_no_chart(mine: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no chart \(it has no Chart.yaml\)"):
        render.main_render(False, str(mine), tmp_path)


def test_a_page_without_markers() -> None:
    with pytest.raises(ConfigError, match="has no <!-- picture --> markers"):
        render.drawn("# The workflow\n", "flowchart TD")
