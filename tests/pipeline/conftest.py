"""A run folder with the stand-in config, for tests that write and read shards."""

from pathlib import Path

import pytest

from pipeline import config, runs
from pipeline.config import Config
from pipeline.shards import RunFolder

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def standin() -> Config:
    return config.load(str(DATA / "standin.yaml"))


@pytest.fixture
def run(standin: Config, tmp_path: Path) -> RunFolder:
    return runs.begin(standin, DATA / "photos", tmp_path / "run")[1]
