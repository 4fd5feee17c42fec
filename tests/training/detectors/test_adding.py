"""docs/detectors.md, followed literally in a copy of the sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pipeline.code import ROOT
from pipeline.documents import Curve
from pipeline.protocols import PROTOCOLS
from pipeline.shards import join
from tests import following
from tests.following import run
from tests.training.conftest import Runs

PAGE = ROOT / "docs" / "detectors.md"


@pytest.mark.slow
def test_the_page_adds_a_detector(tmp_path: Path, runs: Runs) -> None:
    copy = tmp_path / "copy"
    following.copied(copy, ("pipeline", "jobs", "training", "images"))
    files = following.blocks(PAGE)
    assert set(files) == {"training/detectors/unet.py", "my.yaml"}
    following.add(copy, files)
    shown = run(copy, "-m", "pipeline.cli", "show", "--profile", "my.yaml")
    assert "train-unet-binary" in shown and "evaluate-table2-unet-semantic" in shown
    made, config = runs.make()
    section = yaml.safe_load(files["my.yaml"])["detectors"]
    known = config.model_dump(mode="json") | {"detectors": section}
    (made.path / "config.yaml").write_text(yaml.safe_dump(known))
    run(
        copy, "-m", "training.train", f"--run={made.path}", "--detector", "unet", "--task", "binary"
    )
    curve: Curve = join(made, ("train-unet-binary",), 0).rows["model"].get("curve", "Curve")
    assert len(curve.loss) == 2 and curve.encoder == "resnet18"
    run(copy, "-m", "ruff", "check", "training/detectors/unet.py")
    run(copy, "-m", "ruff", "format", "--check", "training/detectors/unet.py")


def test_the_page_names_every_protocol_and_every_detector() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.M))
    here = {path.stem for path in (ROOT / "training" / "detectors").glob("[!_]*.py")}
    assert rows == here | set(PROTOCOLS)
