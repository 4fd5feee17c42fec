"""For all tests, before any of them is imported."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import forkserver

import pytest

from pipeline import events, fallback
from tests.faults.counts import SEED, seed, soaking

#: Read when webdataset is imported: it then runs neither the pickles nor the commands of a shard.
os.environ["WDS_SECURE"] = "1"


def pytest_configure() -> None:
    os.environ[SEED] = str(seed())  # one for all processes of this run of the tests


def pytest_report_header() -> str:
    return f"{SEED}={seed()}"


class AsTheyCome:
    """Prints what each test found as soon as it ends: a soak that is killed leaves that behind."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for line in figures(report):
            self._reporter.ensure_newline()
            self._reporter.write_line(f"{time.strftime('%H:%M:%S')} {line}")


def pytest_sessionstart(session: pytest.Session) -> None:
    plugins = session.config.pluginmanager
    if soaking() and (reporter := plugins.get_plugin("terminalreporter")):  # xdist's workers: none
        plugins.register(AsTheyCome(reporter))


def figures(report: object) -> list[str]:
    """What a test said; nothing if it is no report of one that was run."""
    if not isinstance(report, pytest.TestReport) or report.when != "call":
        return []
    return [str(line) for name, line in report.user_properties if name == "said"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests found, also those that ran in other processes or failed."""
    lines = [line for reports in terminalreporter.stats.values() for report in reports
             for line in figures(report)]  # fmt: skip
    if lines:
        terminalreporter.section(f"figures ({SEED}={seed()})")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture
def said(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a figure at the end of the run of the tests."""
    return partial(record_property, "said")


@pytest.fixture(scope="module", autouse=True)
def _fork_server() -> Iterator[None]:
    """Leave none behind: it imports what the first run in a process asks for and no more, so that
    each stage of another module's run would have to import torch by itself."""
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _nobody_speaks() -> Iterator[None]:
    """A test that runs a stage in this process leaves its name, its way to speak, and how often it
    cut a batch to no other."""
    yield
    events.speak_for({}, "human")
    fallback.taken()
