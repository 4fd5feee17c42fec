"""One line an event, whatever a text holds; the same facts for people and programs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import events
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.shards import RunFolder
from pipeline.stage import Context

WHO = {"run": "r1", "stage": "edit-1-sdxl", "family": "sdxl", "turn": 1, "partition": "0/4"}
COMMITTED = "shard {shard:05d} committed: {in} in, {out} out, {seconds:.1f} s"
FACTS = {"shard": 3, "in": 16, "out": 14, "seconds": 3.21}


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    yield
    events.speak_for({}, "human")


def test_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    events.speak_for(WHO, "human")
    events.say("shard-committed", COMMITTED, **FACTS)
    said = capsys.readouterr().out
    when, line = said.split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", when)
    assert line == "edit-1-sdxl 0/4 shard 00003 committed: 16 in, 14 out, 3.2 s\n"


def test_the_same_facts_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    events.speak_for(WHO, "json")
    events.say("shard-committed", COMMITTED, **FACTS)
    said = json.loads(capsys.readouterr().out)
    assert said.pop("time").endswith("Z")
    assert said == {"level": "info", "event": "shard-committed", **WHO, **FACTS}


@pytest.mark.parametrize("mode", ["human", "json"])
@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\r\x1b[2Jb", "a\u2028b", "a\u202eb", "a\x85b", "a\ud800b", "{0} {x.__class__}"],
)
def test_a_text_stays_on_its_line(
    mode: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    events.speak_for(WHO, mode)
    events.say("note", "it said {said}", said=text)
    said = capsys.readouterr().out
    assert said.endswith("\n") and said[:-1].isprintable()
    escaped = events.clean(text)
    assert (json.loads(said)["said"] if mode == "json" else said).rstrip("\n").endswith(escaped)


def test_a_long_text_keeps_its_end() -> None:
    cut = events.clean("x" * 10_000 + "ValueError: the end")
    assert len(cut) == events.LONGEST + 3 and cut.endswith("ValueError: the end")


def test_only_the_first_rank_speaks_but_each_may_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    events.say("note", "silent")
    events.say("failed", "loud", level="error")
    assert capsys.readouterr().out.rstrip().endswith("Z loud")


def test_who_speaks(standin: Config, tmp_path: Path) -> None:
    import argparse

    found = {}
    for stage in dag(standin):
        context = Context(RunFolder(tmp_path / "r1"), standin, stage, (1, 2), argparse.Namespace())
        found[stage.name] = events.who(context)
    assert found["edit-2-heal"] == {
        "run": "r1", "stage": "edit-2-heal", "family": "heal", "turn": 2, "partition": "1/2",
    }  # fmt: skip
    assert found["report"] == {"run": "r1", "stage": "report"}
