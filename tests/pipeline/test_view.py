"""What is seen of a run: in a terminal of a given width, and where there is none."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import pytest
from rich.console import Console

from pipeline import view
from pipeline.eta import Eta, Kind
from pipeline.view import Rate, View

FAMILIES = [f"edit-1-family{i}" for i in range(8)]
NAMES = ("ingest", *FAMILIES, "train-a-detector-of-a-long-name-binary")


@dataclass
class Process:
    done: float
    worked: int = 0

    def share(self) -> float:
        return self.done

    def samples(self) -> int:
        return self.worked


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def eta() -> Eta[str]:
    """A chain: ingest, eight families side by side, a training; ten seconds each, the last 70."""
    after = {name: ["ingest"] for name in NAMES[1:-1]} | {"ingest": [], NAMES[-1]: NAMES[1:-1]}
    kinds = {name: Kind((name,), 70.0 if name == NAMES[-1] else 10.0) for name in NAMES}
    return Eta({name: after[name] for name in NAMES}, kinds, 2)


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=20,
                   color_system=None, legacy_windows=False)  # fmt: skip


def frame(console: Console) -> list[str]:
    """The lines of the newest frame, without what moves the cursor."""
    assert isinstance(console.file, io.StringIO)
    text = re.split(r"\x1b\[2K", console.file.getvalue())[-1]
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;?]*\w", "", text).splitlines()]


def test_a_terminal_shows_the_run_and_what_is_at_work(eta: Eta[str], clock: list[float]) -> None:
    eta.learn("ingest", 10.0)
    with View(eta, console := terminal(80), lambda: clock[0]) as shown:
        work = {NAMES[1]: Process(0.0), NAMES[2]: Process(0.0)}
        shown.show(work)
        for _ in range(5):
            clock[0] += 1
            for one in work.values():
                one.done, one.worked = one.done + 0.1, one.worked + 4
            shown.show(work)
        run, first, second = frame(console)
    assert re.fullmatch(r"run +[━╸╺ ]+ +1/10 ETA 1:4\d", run), run
    for name, line in zip(NAMES[1:3], (first, second), strict=True):
        assert re.fullmatch(rf"  {name} +[━╸╺ ]+ +50% 4\.0 samples/s", line), line
    assert {len(line) for line in (first, second)} == {len(first)} and len(first) <= 80


@pytest.mark.parametrize("width", [60, 80, 120])
def test_more_than_fits_is_counted_and_no_line_is_broken(
    width: int, eta: Eta[str], clock: list[float]
) -> None:
    with View(eta, console := terminal(width), lambda: clock[0]) as shown:
        shown.show({name: Process(0.25, 12345) for name in NAMES})
        lines = frame(console)
    assert len(lines) == 1 + view.RUNNING + 1 and lines[-1] == "  and 4 more"
    assert max(map(len, lines)) <= width
    with View(eta, console := terminal(width), lambda: clock[0]) as shown:
        clock[0] += 1
        shown.show({NAMES[-1]: Process(0.25)})
        last = frame(console)[1]
    assert NAMES[-1] in last or (width < 120 and "…" in last)
    assert "25%" in last, "a long name leaves room for the figures"


def test_the_terminal_is_left_clean(eta: Eta[str], clock: list[float]) -> None:
    with View(eta, console := terminal(80), lambda: clock[0]) as shown:
        shown.show({"ingest": Process(0.5)})
        shown.say("ingest: exit 75, trying again: [brackets] are no markup")
    assert frame(console) in ([], [""])
    assert isinstance(console.file, io.StringIO)
    assert "[brackets] are no markup" in console.file.getvalue()


def test_elsewhere_a_line_a_step_and_the_eta_now_and_then(
    eta: Eta[str], clock: list[float]
) -> None:
    out = io.StringIO()
    with View(eta, Console(file=out, width=80, highlight=False), lambda: clock[0]) as shown:
        for name in NAMES[:4]:
            clock[0] += 8
            shown.show({name: Process(0.5)})
            shown.finished(name, 8.0)
        for _ in range(3 * 62):
            clock[0] += 1
            shown.show({NAMES[4]: Process(0.5)})
    lines = out.getvalue().splitlines()
    assert [line[:40] for line in lines[:4]] == [
        f"[{i + 1:>3}/10] {name}"[:40].ljust(40) for i, name in enumerate(NAMES[:4])
    ]
    assert ["ETA" in line for line in lines[:4]] == [False, True, False, True]
    assert re.search(r"   8\.0 s   ETA \d:\d\d$", lines[1])
    assert len(lines) == 7, "in three quiet minutes a line each"
    assert re.fullmatch(r"\[  4/10\] at work: edit-1-family3 50%   ETA \d:\d\d", lines[4])


def test_a_look_is_taken_a_few_times_a_second(eta: Eta[str], clock: list[float]) -> None:
    looks: list[float] = []

    class Watched(Process):
        def share(self) -> float:
            looks.append(clock[0])
            return 0.5

    with View(eta, terminal(80), lambda: clock[0]) as shown:
        for _ in range(500):
            clock[0] += 0.02
            shown.show({"ingest": Watched(0.5)})
    assert len(looks) <= 10 / view.LOOK


def test_a_rate_is_of_what_was_seen() -> None:
    rate = Rate()
    assert rate.see(0.0, 0) == rate.see(5.0, 0) == "", "loading a model is no rate"
    assert rate.see(6.0, 4) == ""
    assert rate.see(8.0, 12) == "4.0 samples/s"
    assert rate.see(16.0, 2004) == "200 samples/s"
    assert rate.see(17.0, 0) == "", "another loop of the same stage"
