"""docs/adding-a-model.md, followed literally in a copy of the sources."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "adding-a-model.md"
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
@pytest.mark.timeout(400)
def test_the_page_adds_a_ninth_family(tmp_path: Path) -> None:
    for name in ("pipeline", "jobs", "training", "images", "tests/jobs/editors", "tests/data"):
        shutil.copytree(ROOT / name, tmp_path / name,
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    shutil.copy(ROOT / "tests" / "jobs" / "conftest.py", tmp_path / "tests" / "jobs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    blocks = dict(BLOCK.findall(PAGE.read_text()))
    check = blocks.pop("check")
    assert set(blocks) == {"jobs/editors/fluxfill.py", "my.yaml", "jobs/tiny/fluxfill.py"}
    for name, text in blocks.items():
        assert not (tmp_path / name).exists(), f"{name} is there already: choose another example"
        (tmp_path / name).write_text(text)
    shown = run(tmp_path, "-m", "pipeline.cli", "show", "--profile", "my.yaml")
    assert "generate-fluxfill" in shown and "edit-3-fluxfill" in shown
    python, *arguments = shlex.split(check)
    assert python == "python"
    lines = run(tmp_path, *arguments).split("\n")
    (top,) = (i for i, line in enumerate(lines) if line.split() == ["fluxfill"])
    cells = [line.split()[-1] for line in lines[top + 1 :] if line]
    assert "no" not in cells and cells.count("ok") > 18
    for name in ("jobs/editors/fluxfill.py", "jobs/tiny/fluxfill.py"):
        run(tmp_path, "-m", "ruff", "check", name)
        run(tmp_path, "-m", "ruff", "format", "--check", name)
