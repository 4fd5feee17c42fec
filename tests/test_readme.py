"""The snippets that promise to read the dataset do, in the README and in the dataset's own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import config, datacard, local

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
#: What must hold at the end of a snippet, of the last sample that it read.
HOLDS = """
assert image.dtype == mask.dtype == "uint8", (image.dtype, mask.dtype)
assert image.shape == (64, 64, 3) and mask.shape == (64, 64), (image.shape, mask.shape)
assert set(mask.ravel()) == {0, *(edit["label"] for edit in edits)}, mask
"""


def test_nothing_is_left_to_be_filled_in() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        left = re.findall(r"^[A-Z_]{5,}$|\b(?:TODO|FIXME|XXX)\b", path.read_text(), re.M)
        assert not left, f"{path}: {left}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run lies at runs/demo."""
    path = tmp_path_factory.mktemp("readme")
    chosen = config.load(str(DATA / "standin.yaml"))
    assert local.run(chosen, DATA / "photos", path / "runs" / "demo") == 0
    return path


def snippet(text: str) -> str:
    (found,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    return str(found)


def execute(code: str, folder: Path) -> None:
    command = [sys.executable, "-c", code + HOLDS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_readme_reads_the_dataset(folder: Path) -> None:
    execute(snippet((ROOT / "README.md").read_text()), folder)


@pytest.mark.slow
def test_the_datasets_own_readme_reads_it(folder: Path) -> None:
    dataset = folder / "runs" / "demo" / "dataset"
    code = snippet((dataset / "README.md").read_text())
    assert code == datacard.LOAD
    execute(code, dataset)
