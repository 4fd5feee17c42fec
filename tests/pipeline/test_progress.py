"""What a stage says while it works, to people, to programs and to Argo."""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import jobs.ingest
from pipeline import config, events, progress, pulse, runs, stage
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.manifest import Attempt, Manifest, Rejected
from pipeline.progress import Progress
from pipeline.shards import RunFolder
from pipeline.stage import Context
from pipeline.uses import uses

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
    into = tmp_path / "r1" / "shards" / "ingest"
    assert len(shards) == 1 and first.endswith(f" started: shard 00000, into {into}")
    assert " 9 photographs; left out: " in read
    assert re.search(r" shard 00000 committed: \d+ in, \d+ out, \d+\.\d s$", shards[0])
    ended = rf" finished: 1 shard committed, 8 in, 8 out, [\d.]+ s, [\d.]+ samples/s, in {into}$"
    assert re.search(ended, last), last
    assert ingest(tmp_path, "human", capsys)[0].endswith(
        f" started: shard 00000, 1 of 1 committed already, into {into}"
    )


def test_what_was_committed_before_is_not_counted_as_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest(tmp_path, "json", capsys)
    first, *_, last = (json.loads(line) for line in ingest(tmp_path, "json", capsys))
    assert (first["shards"], first["already"], first["first"], first["last"]) == (1, 1, 0, 0)
    assert (last["committed"], last["skipped"], last["in"], last["out"]) == (0, 1, 0, 0)
    assert first["folder"] == last["folder"] == str(tmp_path / "r1" / "shards" / "ingest")


def test_what_is_committed_is_asked_once_to_tell_of_it_and_once_to_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = RunFolder.committed

    def committed(run: RunFolder, dataset: str, shard: int) -> bool:
        asked.append(shard)
        return real(run, dataset, shard)

    monkeypatch.setattr(RunFolder, "committed", committed)
    ingest(tmp_path, "human", capsys)
    assert asked == [0, 0]


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


@pytest.fixture
def here(standin: Config, run: RunFolder) -> Context:
    """The first turn of a family, over two shards of three."""
    chosen = next(one for one in dag(standin) if one.name == "edit-1-heal")
    events.speak_for({"run": "r1", "stage": chosen.name, "partition": "1/2"}, "human")
    return Context(run, standin, chosen, (1, 2), argparse.Namespace())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be moved on."""
    now = [1000.0]
    for module in (progress, pulse):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split(" 1/2 ", 1)[1] for line in capsys.readouterr().out.splitlines()]


def manifest(shard: int, ins: int, declined: list[Rejected], salvaged: int = 0) -> Manifest:
    return Manifest(
        dataset="edit-1-heal", shard=shard, tar="", bytes=0, sha256="",
        ids_in=tuple(f"{i:08d}" for i in range(ins)), records={}, rejected=tuple(declined),
        parents={}, config="", code="", model="", seeds="",
        attempt=Attempt(id="a", seconds=2.0, salvaged=salvaged),
    )  # fmt: skip


def test_a_long_shard_speaks_once_a_minute_and_a_quick_one_never(
    here: Context, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    said = Progress(here)
    said.shard_started(1, 40)
    for _ in range(10):  # 4 samples in 30 s
        clock[0] += 30
        said.advance(4)
    lines = told(capsys)
    assert len(lines) == 4, "none of the first half minute, none of the end"
    assert lines[0] == ("shard 00001: 8 of 40 samples, 0.13 samples/s, 4 min 00 s to go, "
                        "9 min 00 s with the 1 after it")  # fmt: skip
    said.shard_started(2, 40)
    for _ in range(10):
        clock[0] += 5.9
        said.advance(4)
    assert told(capsys) == []


def test_what_a_killed_attempt_had_done_is_no_rate_of_ours(
    here: Context, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    said = Progress(here)
    said.shard_started(2, 40)
    said.taken_over(20)
    clock[0] += 100
    said.advance(10)
    (line,) = told(capsys)
    assert line.startswith("shard 00002: 30 of 40 samples, 0.1 samples/s, 1 min 40 s to go, ")
    progress.committed(manifest(2, 40, [], salvaged=20))
    assert ", 20 taken over from an attempt that was killed, 2.0 s" in told(capsys)[0]


def test_a_quarantined_sample_is_told_and_a_filtered_one_counted(
    here: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "a\x1b[2J\n2026-11-21T00:00:00Z forged 1/2 {in} " + "x" * 999
    progress.committed(manifest(0, 3, [
        Rejected(key="00000000", reason="unparsable-prompt", detail=words),
        Rejected(key="00000001", reason="low-score", detail="2 of 5"),
        Rejected(key="00000002", reason="noop-edit"),
    ]))  # fmt: skip
    first, second, last = told(capsys)
    assert first == f"sample 00000000 quarantined: unparsable-prompt (...{'x' * 200})"
    assert second == "sample 00000002 quarantined: noop-edit"
    assert last == "shard 00000 committed: 3 in, 0 out, 1 filtered, 2 quarantined, 2.0 s"
    progress.quarantined([Rejected(key="1", reason="noop-edit", detail=words[:46])], 0)
    (line,) = told(capsys)
    assert line == (r"sample 1 quarantined: noop-edit "
                    r"(a\x1b[2J\n2026-11-21T00:00:00Z forged 1/2 {in} xxx)")  # fmt: skip


def test_of_many_quarantined_samples_the_rest_is_counted(
    here: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = ["noop-edit"] * 21 + ["nan-latents"] * 29 + ["empty-mask"]
    found = [Rejected(key=f"{i:08d}", reason=reason) for i, reason in enumerate(reasons)]
    progress.quarantined(found, 7)
    *each, rest = told(capsys)
    assert len(each) == progress.SHOWN == 20
    assert rest == ("and 31 more samples of shard 00007 quarantined: 29 nan-latents, 1 empty-mask, "
                    "1 noop-edit")  # fmt: skip
    events.speak_for({}, "json")
    progress.quarantined(found, 7)
    *each, rest = capsys.readouterr().out.splitlines()
    assert json.loads(rest)["reasons"] == {"nan-latents": 29, "empty-mask": 1, "noop-edit": 1}
    assert json.loads(each[3])["sample"] == "00000003"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ingest", ""),
        ("edit-2-sdxl", "with sdxl (tiny weights, cpu, float32, batch 4)"),
        ("score", "with rules, which has no weights"),
        ("segment", "with classical, which has no weights"),
        ("train-deeplabv3plus-binary", "with deeplabv3plus (2 processes, cpu, float32)"),
        ("evaluate-table2-deeplabv3plus-binary", "with deeplabv3plus (cpu, float32)"),
        ("report", ""),
    ],
)
def test_what_a_stage_works_with(name: str, words: str) -> None:
    chosen = config.load("demo")
    said, facts = uses(next(one for one in dag(chosen) if one.name == name), chosen)
    assert said.format(**facts) == words


def test_what_the_papers_models_work_with() -> None:
    chosen = config.load("paper")
    of = {one.name: uses(one, chosen) for one in dag(chosen)}
    assert {name: said.format(**facts) for name, (said, facts) in of.items() if
            name in ("propose", "segment", "edit-1-flux")} == {
        "propose": "with qwen25vl (local weights, cuda, bfloat16, batch 8)",
        "segment": "with grounded_sam (local weights, cuda, bfloat16)",
        "edit-1-flux": "with flux (local weights, cuda, bfloat16, batch 4)",
    }  # fmt: skip


def test_every_stage_that_asks_a_model_is_known_to() -> None:
    """A stage in an image with models says which one it works with."""
    chosen = config.load("paper")
    for one in dag(chosen):
        assert (uses(one, chosen)[0] != "") == (one.image == "editor" or "--detector" in one.args)


def test_a_partition_without_shards_says_so(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.context("jobs.ingest", [f"--run={run.path}", "--partition=0/9"])
    assert " ingest 0/9 started: no shards, into " in capsys.readouterr().out
