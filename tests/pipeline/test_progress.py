"""What a stage says while it works, to people, to programs and to Argo."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import jobs.ingest
from pipeline import config, events, runs
from pipeline.config import Config

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    yield
    events.speak_for({}, "human")


def ingest(folder: Path, logs: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    text = yaml.safe_load((DATA / "standin.yaml").read_text())
    text["local"] = {**text.get("local", {}), "logs": logs}
    chosen = Config.model_validate(text)
    run = runs.begin(chosen, DATA / "photos", folder / "r1")[1]
    capsys.readouterr()
    assert jobs.ingest.main(["--run", str(run.path), "--partition", "0/2"]) == 0
    return capsys.readouterr().out.splitlines()


def test_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, read, *shards, last = ingest(tmp_path, "human", capsys)
    for line in (first, read, *shards, last):
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ingest 0/2 ", line)
    assert first.endswith(f" started: {len(shards)} shards of {tmp_path / 'r1'}")
    assert " 9 photographs; left out: " in read
    assert re.search(r" shard 00000 committed: \d+ in, \d+ out, \d+\.\d s$", shards[0])
    assert f" finished: {len(shards)} shards committed, 0 were already, " in last


def test_to_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [json.loads(line) for line in ingest(tmp_path, "json", capsys)]
    names = ["stage-started", "photographs-read", "shard-committed"]
    assert [one["event"] for one in said][:3] == names
    assert said[-1]["event"] == "stage-finished" and said[-1]["committed"] == len(said) - 3
    assert {(one["run"], one["stage"], one["partition"]) for one in said} == {
        ("r1", "ingest", "0/2")
    }
    shard = said[2]
    assert shard["in"] == shard["out"] > 0 == shard["filtered"] == shard["quarantined"]
    assert shard["samples_per_second"] == pytest.approx(shard["in"] / shard["seconds"], rel=0.01)


def test_to_argo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "progress"))
    shards = len(ingest(tmp_path, "human", capsys)) - 3
    assert (tmp_path / "progress").read_text() == f"{shards}000/{shards}000\n"


def test_how_it_says_it_makes_no_other_dataset() -> None:
    chosen = config.load("demo")
    spoken = chosen.model_copy(update={"local": config.Local(logs="json")})
    assert spoken.digest() == chosen.digest()
