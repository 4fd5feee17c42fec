"""How often long work speaks, and what it leaves in files."""

from pathlib import Path

import pytest

from pipeline import child, pulse
from pipeline.pulse import EVERY, Pulse, Told


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [50.0]
    monkeypatch.setattr(pulse.time, "monotonic", lambda: time[0])
    return time


def spoken(beat: Pulse, now: list[float], seconds: int) -> list[float]:
    begun, found = now[0], []
    for _ in range(seconds):
        now[0] += 1
        if beat.due():
            found.append(now[0] - begun)
    return found


def test_it_speaks_ever_more_rarely(now: list[float]) -> None:
    assert spoken(Pulse(5.0), now, 300) == [5, 15, 35, 75, 135, 195, 255]


def test_a_day_is_sixty_lines_an_hour(now: list[float]) -> None:
    assert len(spoken(Pulse(), now, 86_400)) == 24 * 60 == 86_400 / EVERY


def test_files_are_written_twice_a_second_and_at_the_end(
    now: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, samples = tmp_path / "progress", tmp_path / "samples"
    monkeypatch.setenv(pulse.FILE, str(file))
    Told().tell(1, 10, 4)
    assert file.read_text() == "1/10\n", "Argo takes nothing else"
    monkeypatch.setenv(pulse.SAMPLES_FILE, str(samples))
    told = Told()
    told.tell(2, 10, 8)
    now[0] += 0.4
    told.tell(3, 10, 12)
    assert (file.read_text(), samples.read_text()) == ("2/10\n", "8\n")
    told.tell(4, 10, 16, force=True)
    assert (file.read_text(), samples.read_text()) == ("4/10\n", "16\n")


def test_nobody_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pulse.FILE, raising=False)
    monkeypatch.chdir(tmp_path)
    Told().tell(1, 2, 3, force=True)
    assert list(tmp_path.iterdir()) == []


def test_the_executor_asks_for_both_and_reads_what_is_there(tmp_path: Path) -> None:
    progress = tmp_path / "edit-1-sd2-0.progress"
    asked = child.told(progress)
    assert asked == {pulse.FILE: str(progress), pulse.SAMPLES_FILE: str(progress)[:-8] + "samples"}
    one = object.__new__(child.Child)
    one._progress, one._samples = map(Path, asked.values())
    assert (one.share(), one.samples()) == (0.0, 0), "not begun"
    for path, text in ((one._progress, "30/40\n"), (one._samples, "12\n")):
        path.write_text(text)
    assert (one.share(), one.samples()) == (0.75, 12)
    one._samples.write_text("")  # just being written
    assert one.samples() == 0


def test_the_work_goes_on_where_nothing_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pulse.FILE, "/dev/full")
    Told().tell(1, 2, 3, force=True)
