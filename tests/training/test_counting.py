"""How far a loop has come is said where somebody can see it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from training import counting

if TYPE_CHECKING:
    import pytest


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, rank: str) -> str:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("RANK", rank)
    with counting.counting("resizing train", 4) as told:
        for _ in range(4):
            told(1)
    return screen.getvalue()


def test_a_bar_in_a_terminal_of_the_first_rank_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "resizing train" in (bar := drawn(monkeypatch, "0")) and "4/4" in bar
    assert drawn(monkeypatch, "1") == ""
    assert capsys.readouterr().out == ""


def test_elsewhere_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(counting.time, "monotonic", lambda: now[0])
    with counting.counting("resizing val", 100) as told:
        for _ in range(12):
            now[0] += 12
            told(2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("val: ")[1] for line in lines] == [
        "10 of 100 pictures, 0.167/s, 9 min 00 s to go",
        "20 of 100 pictures, 0.167/s, 8 min 00 s to go",
    ]  # fmt: skip
