"""Follow a page of the docs literally, in a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline.code import ROOT

BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.M | re.S)


def blocks(page: Path) -> dict[str, str]:
    """The page's files, by the title of their block."""
    return dict(BLOCK.findall(page.read_text()))


def copied(folder: Path, names: Iterable[str]) -> None:
    """The named folders of the sources, and the settings of the linters."""
    for name in names:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def add(folder: Path, files: dict[str, str]) -> None:
    """Write what the page says; none of it may be there."""
    for name, text in files.items():
        assert not (folder / name).exists(), f"{name} is there already: choose another example"
        (folder / name).write_text(text)


def run(folder: Path, *command: str) -> str:
    """What `python COMMAND` says there; it must succeed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout
