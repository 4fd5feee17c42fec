"""The first and the last pod of a workflow: what they refuse, and what they leave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobs.ingest
from jobs import fetch
from pipeline import argo, begin, config, dag, events, finish, publish
from pipeline.config import Config
from pipeline.errors import OK, PERMANENT, guard
from pipeline.runs import begun
from pipeline.shards import RunFolder
from pipeline.stage import read_run

PHOTOS = Path(__file__).parent.parent / "data" / "photos"


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    yield
    events.speak_for({}, "human")


@pytest.fixture
def mounted(standin: Config, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(argo.mounted(standin).to_yaml())
    return path


def argv(mounted: Path, run: str, digest: str = "") -> list[str]:
    known = digest or argo.dag_digest(dag.checked(config.read(mounted)))
    return [f"--config={mounted}", f"--photos={PHOTOS}", f"--run={run}", f"--dag={known}"]


def test_a_run_is_begun_and_taken_up_again(
    mounted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs" / "v1.2"
    assert guard(begin.main, argv(mounted, str(out))) == OK
    first, last = capsys.readouterr().out.splitlines()
    assert first.endswith(
        f" begin started: the config standin, photographs from {PHOTOS}, into {out}"
    )
    assert last.endswith(" begin finished: 24 samples in 3 shards will be made from 9 photographs, "
                         f"in {out}")  # fmt: skip
    assert read_run(out).editing.folder == "/models" and begun(out)["config"]
    left = out / "staging" / f"edit-1-heal-00001-{'a' * 32}.part"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half a tar")
    assert guard(begin.main, argv(mounted, str(out))) == OK
    assert not left.exists(), "what a killed attempt left is swept"


@pytest.mark.parametrize(
    "bad", ["my run", "{{workflow.parameters.run-id}}", "..", "../other", "a/b", "x/runs/y",
            "R1", "-r", "", "a" * 53],
)  # fmt: skip
def test_a_bad_run_id_is_one_sentence_and_makes_no_folder(
    mounted: Path, tmp_path: Path, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(begin.main, argv(mounted, f"{tmp_path}/runs/{bad}")) == PERMANENT
    said = capsys.readouterr().err.strip()
    assert said.startswith("palimpsest: ") and "cannot be a run id: give 1 to 52" in said
    assert "\n" not in said and not (tmp_path / "runs").exists()


def test_a_config_that_changes_the_dag_is_refused(
    mounted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = argo.dag_digest(dag.checked(config.load("demo")))
    assert guard(begin.main, argv(mounted, f"{tmp_path}/runs/r", other)) == PERMANENT
    said = capsys.readouterr().err
    assert "the config changed the DAG" in said and "`palimpsest render`" in said
    assert not (tmp_path / "runs").exists()


def test_a_run_of_another_config_is_refused(
    standin: Config, mounted: Path, run: RunFolder, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "runs" / "r"
    assert guard(begin.main, argv(mounted, str(out))) == OK
    (out / "shards" / "ingest").mkdir(parents=True)
    (out / "shards" / "ingest" / "00000.json").write_text("{}")  # something is committed
    changed = standin.model_copy(update={"seed": 8})
    mounted.write_text(argo.mounted(changed).to_yaml())
    assert guard(begin.main, argv(mounted, str(out))) == PERMANENT
    assert "holds a run of another config (profile standin" in capsys.readouterr().err


def test_a_missing_argument_ends_with_78_not_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(begin.main, ["--run=/data/runs/r"]) == PERMANENT
    assert guard(finish.main, []) == PERMANENT
    assert "--run" in capsys.readouterr().err


def test_the_summary_is_no_verdict(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(finish.main, [f"--run={run.path}", "--summary"]) == OK
    said = capsys.readouterr().out
    assert " summary ingest shard 00000 is not committed" in said
    assert re.search(r" summary finished: audit: incomplete, of 24 planned samples 0 kept, .*; "
                     r"\d+ shards missing, 0 faults, ", said.splitlines()[-1])  # fmt: skip


def test_the_summary_counts_what_is_committed(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(jobs.ingest.main, [f"--run={run.path}"]) == OK
    capsys.readouterr()
    assert guard(finish.main, [f"--run={run.path}", "--summary"]) == OK
    (line,) = re.findall(r"^.* summary ingest: .*$", capsys.readouterr().out, re.M)
    assert re.search(r" ingest: 3 shards, 24 in, 24 out, [\d.]+ s of work$", line)


def test_where_logs_are_json_all_pods_speak_it(
    standin: Config, mounted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    spoken = argo.mounted(standin).model_copy(update={"local": config.Local(logs="json")})
    mounted.write_text(spoken.to_yaml())
    out = tmp_path / "runs" / "r1"
    monkeypatch.setattr(publish, "everything", lambda folder, config: None)
    assert guard(begin.main, argv(mounted, str(out))) == OK
    assert guard(finish.main, [f"--run={out}"]) == OK
    assert guard(finish.main, [f"--run={out}", "--summary"]) == OK
    assert guard(fetch.main, ["--family=heal", f"--config={mounted}"]) == OK
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [(one["stage"], one["event"]) for one in said if one["event"].startswith("stage-")]
    stages = ("begin", "publish", "summary", "fetch-heal")
    assert ends == [(name, f"stage-{what}") for name in stages for what in ("started", "finished")]
    assert {one.get("run") for one in said} == {"r1", None}
    assert [one.get("family") for one in said][-1] == "heal"


def test_publishing_is_asked_of_publish(
    run: RunFolder, standin: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, Config]] = []
    monkeypatch.setattr(
        publish, "everything", lambda folder, config: asked.append((folder.path, config))
    )
    assert finish.main([f"--run={run.path}"]) == OK
    assert asked[0][0] == run.path and asked[0][1].digest() == standin.digest()


def test_a_folder_that_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--summary"]):
        assert guard(finish.main, [f"--run={tmp_path}", *more]) == PERMANENT
        assert "is not a run" in capsys.readouterr().err
