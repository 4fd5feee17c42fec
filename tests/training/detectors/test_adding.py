"""docs/detectors.md, followed literally in a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.code import ROOT
from pipeline.documents import Curve
from pipeline.protocols import PROTOCOLS
from pipeline.shards import join
from tests.training.conftest import Runs

PAGE = (ROOT / "docs" / "detectors.md").read_text()
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.M | re.S)


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.mark.slow
def test_the_page_adds_a_detector(tmp_path: Path, runs: Runs) -> None:
    copy = tmp_path / "copy"
    for name in ("pipeline", "jobs", "training", "images"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    blocks = dict(BLOCK.findall(PAGE))
    assert set(blocks) == {"training/detectors/unet.py", "my.yaml"}
    for name, text in blocks.items():
        assert not (copy / name).exists(), f"{name} is there already: choose another example"
        (copy / name).write_text(text)
    shown = run(copy, "-m", "pipeline.cli", "show", "--profile", "my.yaml")
    assert "train-unet-binary" in shown and "evaluate-table2-unet-semantic" in shown
    made, config = runs.make()
    section = yaml.safe_load(blocks["my.yaml"])["detectors"]
    known = config.model_dump(mode="json") | {"detectors": section}
    (made.path / "config.yaml").write_text(yaml.safe_dump(known))
    run(
        copy, "-m", "training.train", f"--run={made.path}", "--detector", "unet", "--task", "binary"
    )
    curve: Curve = join(made, ("train-unet-binary",), 0).rows["model"].get("curve", "Curve")
    assert len(curve.loss) == 2 and curve.encoder == "resnet18"
    for name in ("training/detectors/unet.py",):
        run(copy, "-m", "ruff", "check", name)
        run(copy, "-m", "ruff", "format", "--check", name)


def test_the_page_names_every_protocol_and_every_detector() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))
    here = {path.stem for path in (ROOT / "training" / "detectors").glob("[!_]*.py")}
    assert rows == here | set(PROTOCOLS)
