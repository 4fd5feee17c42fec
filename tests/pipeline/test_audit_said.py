"""An audit speaks as whoever asks for it can read: a table, a document, or the events of a step."""

import argparse
import json
import sys
from pathlib import Path
from typing import Literal

import pytest

import jobs.ingest
from pipeline import audit_said, config
from pipeline.audit import Audit, Counts
from pipeline.shards import RunFolder
from pipeline.stage import read_run

FOUND = Audit(
    run="r", profile="p", digest="", missing=tuple(f"shard {i} is not there" for i in range(12)),
    samples={"kept": 9, "filtered": 2, "quarantined": 1, "undecided": 12},
    stages={"score": Counts(shards=2, taken=16, out=14, filtered=2, reasons={"low-score": 2}),
            "report": Counts()}, faults=("one \x1b[2J\nthing",),
)  # fmt: skip


@pytest.fixture
def spoken(run: RunFolder) -> RunFolder:
    """A run whose logs are JSON, with one of its stages done."""
    says(run, "json")
    assert jobs.ingest.main([f"--run={run.path}"]) == 0
    return run


def says(run: RunFolder, how: Literal["human", "json"]) -> None:
    chosen = read_run(run.path).model_copy(update={"local": config.Local(logs=how)})
    (run.path / "config.yaml").write_text(chosen.to_yaml())


def audited(path: Path, as_json: bool = False) -> int:
    return audit_said.main(argparse.Namespace(run=path, json=as_json))


def test_where_logs_are_json_the_audit_says_its_counts_as_events(
    spoken: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert audited(spoken.path) == 75
    first, *_, last = said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(one["run"], one["stage"]) for one in said} == {(spoken.path.name, "audit")}
    assert first["event"] == "stage-started" and last["event"] == "stage-finished"
    counted = next(one for one in said if one["event"] == "stage-counted")
    assert (counted["counted"], counted["in"], counted["out"]) == ("ingest", 24, 24)
    assert sum(one["event"] == "missing" for one in said) == audit_said.SHOWN < last["missing"]
    assert (last["verdict"], last["planned"], last["kept"]) == ("incomplete", 24, 0)
    assert (last["filtered"], last["quarantined"], last["undecided"]) == (0, 0, 24)
    assert (last["faults"], last["digest"]) == (0, "")


@pytest.mark.parametrize("asked", ["a terminal", "a document", "a run that speaks to people"])
def test_people_and_those_who_ask_for_a_document_get_theirs(
    asked: str, spoken: RunFolder, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    capsys.readouterr()
    if asked == "a terminal":
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    if asked == "a run that speaks to people":
        says(spoken, "human")
    assert audited(spoken.path, as_json=asked == "a document") == 75
    said = capsys.readouterr().out
    if asked == "a document":
        assert json.loads(said)["stages"]["ingest"]["out"] == 24
    else:
        assert said.startswith("stage ") and said.endswith("audit: incomplete\n")


def test_to_people_a_step_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    audit_said.tell(FOUND, 62.4)
    counted, fault, *missing, last = (
        line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()
    )
    assert counted.startswith("score: 2 shards, 16 in, 14 out, ")
    assert counted.endswith("declined: 2 low-score") and len(missing) == audit_said.SHOWN
    assert fault == r"FAULT one \x1b[2J\nthing: see `palimpsest audit`"
    assert last == ("finished: audit: faults, of 24 planned samples 9 kept, 2 filtered, "
                    "1 quarantined, 12 undecided; 12 shards missing, 1 faults, 62 s")  # fmt: skip
