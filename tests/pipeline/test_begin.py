"""The first and the last pod of a workflow: what they refuse, and what they leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import argo, begin, config, dag, finish, publish
from pipeline.config import Config
from pipeline.errors import OK, PERMANENT, guard
from pipeline.runs import begun
from pipeline.shards import RunFolder
from pipeline.stage import read_run

PHOTOS = Path(__file__).parent.parent / "data" / "photos"


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
    assert "standin, 24 samples in 3 shards from 9 photographs" in capsys.readouterr().out
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
    assert "ingest shard 00000 is not committed" in said and "audit: incomplete" in said


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
