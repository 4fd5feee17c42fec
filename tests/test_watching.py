"""What docs/watching-a-run.md shows is what the programs print now."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rich.console import Console

import jobs.edit
from pipeline import events, local, runs
from pipeline.config import Config
from pipeline.dag import checked
from pipeline.eta import Eta, Kind
from pipeline.view import View

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "watching-a-run.md").read_text()
#: One family with tiny weights, two shards.
SMALL = """
profile: small
samples: 4
shard_size: 2
families: {sd2: 1}
vlm: rules
segmenter: classical
bases: {resolution: 64, crops: random, ai_share: 0, min_side: 32}
editing: {weights: tiny, device: cpu, dtype: float32, steps: 1, batch: 4}
"""


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    yield
    events.speak_for({}, "human")


def blocks(kind: str = "") -> list[list[str]]:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)
    return [block.splitlines() for block in found]


def shape(line: str) -> str:
    """A line with what differs from run to run replaced."""
    line = re.sub(r"/\S+", "PATH", re.sub(r"\d+/\d+", "K-N", line))
    line = re.sub(r"\d[\d,]* h \d\d min|\d+ min \d\d s|\b[\d.]+ s\b", "SPAN", line)
    line = re.sub(r"\b[0-9a-f]{16}\b", "DIGEST", line)
    line = re.sub(r"shards? \d+(-\d+)?", "SHARDS", line).replace(" shards ", " shard ")
    line = re.sub(r"(edit-\d-|with )\w+", r"\1FAMILY", line)
    return re.sub(r"[\d.]+(e-\d+)?", "#", line)


def edited(folder: Path, logs: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the pod of an edit says, of whose shards the first was committed before."""
    text = {**yaml.safe_load(SMALL), "local": {"logs": logs}}
    run = folder / "r1"
    chosen = Config.model_validate(text)
    chosen, begun = runs.begin(chosen, ROOT / "tests" / "data" / "photos", run)
    stages = local.needed(checked(chosen), "edit-1-sd2")
    assert local.Executor(stages, chosen, begun).run() == (0, len(stages))
    (run / "shards" / "edit-1-sd2" / "00001.json").unlink()
    capsys.readouterr()
    argv = ["--family=sd2", "--turn=1", "--partition=0/1", f"--run={run}"]
    assert jobs.edit.main(argv) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_the_log_of_an_edit_pod_is_the_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = [block for block in blocks() if " started: " in block[0]]
    said = edited(tmp_path, "human", capsys)
    assert list(dict.fromkeys(map(shape, shown))) == list(dict.fromkeys(map(shape, said)))


@pytest.mark.slow
def test_its_json_is_the_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = blocks("json")
    said = [json.loads(line) for line in edited(tmp_path, "json", capsys)]
    first, last = map(json.loads, shown)
    for doc, ours in ((first, said[0]), (last, said[-1])):
        assert {key: type(value) for key, value in doc.items()} == {
            key: type(value) for key, value in ours.items()
        }
        assert doc["event"] == ours["event"]


def frame(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    newest = re.split(r"\x1b\[2K", console.file.getvalue())[-1]
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;?]*\w", "", newest).splitlines()]


def test_the_terminal_is_as_it_is_drawn() -> None:
    """The same figures, at the width of the page's picture, are the same characters but the bar of
    the work."""
    (_, whole, *rows) = next(block for block in blocks() if block[1].startswith("run "))
    names = [row.split("  ")[1] for row in rows]

    class AtWork:
        def __init__(self, row: str) -> None:
            share, rate = re.findall(r"(\d+)% ([\d.]+) samples/s$", row)[0]
            self.percent, self.worked, self.rate = int(share), 10.0, float(rate)

        def share(self) -> float:
            return self.percent / 100

        def samples(self) -> int:
            return round(self.worked)

    done, total, eta_said = re.findall(r"(\d+)/(\d+) ETA (\d+:\d\d)$", whole)[0]
    tasks = [*names, *(f"other {i}" for i in range(int(total) - len(names)))]
    eta = Eta({task: [] for task in tasks}, {task: Kind((task,), 30.0) for task in tasks}, 2)
    for task in tasks[len(names) : len(names) + int(done)]:
        eta.learn(task, 30.0)
    now, at_work = [0.0], {name: AtWork(row) for name, row in zip(names, rows, strict=True)}
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None,
                      legacy_windows=False)  # fmt: skip
    with View(eta, console, lambda: now[0]) as view:
        view.show(at_work)
        now[0] += 10
        for one in at_work.values():
            one.worked += 10 * one.rate
        view.show(at_work)
        ours, *drawn = frame(console)
    assert drawn == rows
    pattern = r"run +[━╸╺]+ +\d+/\d+ ETA \d+:\d\d"
    assert re.fullmatch(pattern, ours) and re.fullmatch(pattern, whole) and eta_said


def test_the_lines_without_a_terminal_are_as_they_are_printed() -> None:
    (_, *lines) = next(block for block in blocks() if block[1].startswith("["))
    step = r"\[ *\d+/\d+\] (at work: .*%|[\w-]+( \d+)? +[\d.]+ s)(   ETA \d+:\d\d)?"
    assert len(lines) > 3 and all(re.fullmatch(step, line) for line in lines)
    out = io.StringIO()
    names = [re.findall(r"\] ([\w-]+ \d+) +([\d.]+) s", line) for line in lines]
    eta = Eta({"edit-3-sd2 0": []}, {"edit-3-sd2 0": Kind(("edit",), 9.0)}, 1)
    with View(eta, Console(file=out, width=100), lambda: 0.0) as view:
        view.finished("edit-3-sd2 0", float(names[1][0][1]))
    assert out.getvalue().split("] ")[1] == lines[1].split("] ")[1] + "\n"
