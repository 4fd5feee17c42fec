"""docs/adding-a-model.md, followed literally in a copy of the sources."""

import shlex
import shutil
from pathlib import Path

import pytest

from pipeline.code import ROOT
from tests import following
from tests.following import run


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_page_adds_a_ninth_family(tmp_path: Path) -> None:
    sources = ("pipeline", "jobs", "training", "images", "tests/jobs/editors", "tests/data")
    following.copied(tmp_path, sources)
    shutil.copy(ROOT / "tests" / "jobs" / "conftest.py", tmp_path / "tests" / "jobs")
    files = following.blocks(ROOT / "docs" / "adding-a-model.md")
    check = files.pop("check")
    assert set(files) == {"jobs/editors/fluxfill.py", "my.yaml", "jobs/tiny/fluxfill.py"}
    following.add(tmp_path, files)
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
