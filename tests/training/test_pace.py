"""What a training says while it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import pulse
from training import pace
from training.pace import Pace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [50.0]
    for module in (pace, pulse):
        monkeypatch.setattr(module.time, "monotonic", lambda: time[0])
    monkeypatch.delenv("RANK", raising=False)
    return time


def steps(work: Pace, now: list[float], first: int, last: int, seconds: float = 1.0) -> None:
    for step in range(first, last + 1):
        now[0] += seconds
        work.tell(step, 0.5)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split("Z ", 1)[1] for line in capsys.readouterr().out.splitlines()]


def test_lines_grow_rarer_and_the_last_step_is_always_said(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    steps(Pace(3600, 16, True), now, 1, 3600)
    lines = said(capsys)
    assert [int(line.split("/")[0].removeprefix("step ")) for line in lines[:6]] == [
        1, 5, 15, 35, 75, 135,
    ]  # fmt: skip
    assert len(lines) < 70, "an hour"
    assert lines[0] == "step 1/3600, loss 0.5000, 16.0 img/s, 59 min 59 s to go"
    assert lines[-1] == "step 3600/3600, loss 0.5000, 16.0 img/s, 0.0 s to go"


def test_one_that_goes_on_says_so_at_its_own_first_step(
    now: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(pulse.FILE, str(tmp_path / "progress"))
    monkeypatch.setenv(pulse.SAMPLES_FILE, str(tmp_path / "samples"))
    work = Pace(100, 16, True)
    work.begin(40, 900.0, 0.0)
    steps(work, now, 41, 43)
    assert [line.split(",")[0] for line in said(capsys)] == ["step 41/100"]
    assert (tmp_path / "progress").read_text() == "43/100\n", "it does not wait for a line"
    assert (tmp_path / "samples").read_text() == "48\n", "those of this process"


def test_other_ranks_are_silent(
    now: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(pulse.FILE, str(tmp_path / "progress"))
    steps(Pace(10, 16, False), now, 1, 10)
    assert said(capsys) == [] and not (tmp_path / "progress").exists()
