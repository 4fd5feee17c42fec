"""A run folder with the stand-in config, for tests that write and read shards; the paper's config
and what it comes to, for tests that reckon."""

from pathlib import Path

import pytest

from pipeline import config, dag, devices, estimate, plan, runs
from pipeline.config import Config
from pipeline.estimate import Work
from pipeline.plan import Plan
from pipeline.shards import RunFolder
from pipeline.stage import Stage

DATA = Path(__file__).parent.parent / "data"
H100 = devices.find("H100")


@pytest.fixture
def standin() -> Config:
    return config.load(str(DATA / "standin.yaml"))


@pytest.fixture
def run(standin: Config, tmp_path: Path) -> RunFolder:
    return runs.begin(standin, DATA / "photos", tmp_path / "run")[1]


@pytest.fixture(scope="module")
def paper() -> Config:
    return config.load("paper")


@pytest.fixture(scope="module")
def stages(paper: Config) -> tuple[Stage, ...]:
    """Of the paper's run."""
    return dag.checked(paper)


@pytest.fixture(scope="module")
def works(paper: Config, stages: tuple[Stage, ...]) -> list[Work]:
    """Of the paper's run, on H100s."""
    return estimate.works(stages, paper, H100)


@pytest.fixture(scope="module")
def eight(paper: Config) -> Plan:
    """For 30,000 pictures of the paper's run on eight H100s."""
    return plan.made(paper, 30_000, 8, H100)
