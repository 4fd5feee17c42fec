"""For all tests, before any of them is imported."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pipeline import events, fallback
from tests.faults.counts import SEED, seed

#: Read when webdataset is imported: it then runs neither the pickles nor the commands of a shard.
os.environ["WDS_SECURE"] = "1"


def pytest_configure() -> None:
    os.environ[SEED] = str(seed())  # one for all processes of this run of the tests


def pytest_report_header() -> str:
    return f"{SEED}={seed()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests found, also those that ran in other processes or failed."""
    lines = [line for reports in terminalreporter.stats.values() for report in reports
             if getattr(report, "when", "") == "call"
             for name, line in report.user_properties if name == "said"]  # fmt: skip
    if lines:
        terminalreporter.section(f"figures ({SEED}={seed()})")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture
def said(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a figure at the end of the run of the tests."""
    return partial(record_property, "said")


@pytest.fixture(autouse=True)
def _nobody_speaks() -> Iterator[None]:
    """A test that runs a stage in this process leaves its name, its way to speak, and how often it
    cut a batch to no other."""
    yield
    events.speak_for({}, "human")
    fallback.taken()
