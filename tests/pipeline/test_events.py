"""One line an event, whatever a text holds; the same facts for people and programs."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import events
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.events import Figures, Numbers, Span
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


def test_figures_read_well_and_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    text = "{seconds:span}; {reasons}; {figures}; {seconds:.2f}"
    facts = {
        "seconds": Span(200.4), "reasons": Numbers({"empty-mask": 1, "noop-edit": 3}),
        "figures": Figures({"miou": 0.33333, "f1": 1.0}),
    }  # fmt: skip
    events.say("note", text, **facts)
    said = capsys.readouterr().out.split("Z ", 1)[1]
    assert said == "3 min 20 s; 3 noop-edit, 1 empty-mask; miou 0.3333, f1 1.0000; 200.40\n"
    events.speak_for({}, "json")
    events.say("note", text, **facts)
    found = json.loads(capsys.readouterr().out)
    assert {key: found[key] for key in facts} == {
        "seconds": 200.4, "reasons": {"empty-mask": 1, "noop-edit": 3},
        "figures": {"miou": 0.33333, "f1": 1.0},
    }  # fmt: skip


@given(st.text(), st.sampled_from(["human", "json"]))
def test_no_text_makes_a_second_line_or_steers_a_terminal(text: str, mode: str) -> None:
    events.speak_for(WHO, mode)
    with redirect_stdout(io.StringIO()) as out:
        events.say("note", "{said}; {names}", said=text, names=Numbers({text: 1}))
    line = out.getvalue()
    assert line.endswith("\n") and line[:-1].isprintable()


def test_a_log_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(OSError, match="No space left") as caught:
            events.say("begun", "here")
        assert caught.value.filename == "the log"
        monkeypatch.undo()
        with suppress(OSError):
            full.close()
