"""Table 2 on an imported dataset: its pictures are trained on and scored as any others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from jobs import imported
from pipeline import audit, cli, local, protocols, publish, released
from pipeline.config import Config
from pipeline.documents import Scores
from pipeline.errors import guard
from pipeline.shards import RunFolder, join
from tests.jobs.published import pairs, zipped
from tests.training.report_run import FAMILIES
from training import evaluate, train
from training.cache import open_cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Twenty pairs of two sizes and six to validate with, imported up to the index."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("published")
    zipped(folder / "train.zip", pairs(0, 14) | pairs(14, 6, 160, 200))
    zipped(folder / "val.zip", pairs(101, 4), "val_copy")
    config = Config.model_validate({
        "families": FAMILIES, "shard_size": 8, "imported": {"dataset": "diffseg30k"},
        "protocols": {"table2": []}, "detectors": {"fcn8s": {
            "encoder": "tiny", "pretrained": False, "size": 64, "steps": 2, "batch": 2,
            "device": "cpu", "tasks": ["binary", "semantic"]}},
    })  # fmt: skip
    out = tmp_path_factory.mktemp("run") / "run"
    assert local.run(released.filled(config, folder), None, out, until="index") == 0
    return RunFolder(out)


def config_of(run: RunFolder) -> Config:
    from pipeline.stage import read_run

    return read_run(run.path)


def test_an_empty_mask_is_an_unedited_picture_to_learn_from(run: RunFolder) -> None:
    facts = open_cache(run, config_of(run), "train", 64).facts
    unedited = [one.key for one in facts if one.part == "unedited"]
    assert unedited == ["00000000", "00000005", "00000010", "00000015"]
    assert all(bool(one.families) == (one.part == "edited") for one in facts)
    assert {one.base for one in facts} == {"unknown"}


@pytest.mark.parametrize("task", ["binary", "semantic"])
def test_table_2_is_made_of_it(task: str, run: RunFolder) -> None:
    who = ["--detector", "fcn8s", "--task", task, f"--run={run.path}"]
    assert train.main(who) == 0
    assert evaluate.main(["--protocol", "table2", *who]) == 0
    rows = join(run, (f"evaluate-table2-fcn8s-{task}",), 0).rows
    scores: Scores = rows["scores"].get("scores", "Scores")
    row = scores.rows[0]
    assert (row.split, row.samples, row.size) == ("val", 4, 64)
    assert row.figures["accuracy"].value is not None
    assert set(row.iou) == ({"edited"} if task == "binary" else set(FAMILIES))


def test_what_was_trained_is_published_as_files(run: RunFolder) -> None:
    config = config_of(run)
    for task in ("binary", "semantic"):
        train.main(["--detector", "fcn8s", "--task", task, f"--run={run.path}"])
    publish.models(run, config)
    for trial in protocols.trials(config):
        row = join(run, (f"train-{trial.name}",), 0).rows["model"]
        path = run.path / "models" / f"{trial.name}.safetensors"
        assert path.read_bytes() == row.raw("model.safetensors")
        assert json.loads(path.with_suffix(".json").read_text())["detector"] == "fcn8s"
    before = {path: path.stat().st_mtime_ns for path in Path(run.path, "models").iterdir()}
    publish.models(run, config)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert publish.stale(run, config, finished=True) == []
    path.write_bytes(path.read_bytes()[:-1])
    (said,) = publish.stale(run, config, finished=True)
    assert said.startswith(f"{path} is not what its shard has")
    assert publish.stale(run, config, finished=False) == []


def test_the_whole_dag_of_it_is_sound(run: RunFolder) -> None:
    from pipeline.dag import checked

    stages = {stage.name: stage for stage in checked(config_of(run))}
    assert [name for name, stage in stages.items() if stage.module == imported.__name__] == [
        "ingest", "assemble-train", "assemble-val", "assemble-filtered"]  # fmt: skip
    assert not any(name.startswith(("edit-", "plan", "score")) for name in stages)


def test_the_import_is_finished_by_run(run: RunFolder, tmp_path: Path) -> None:
    """The folder's own config is all it takes; without detectors, to be quick."""
    config = config_of(run).model_copy(update={"detectors": {}, "protocols": {}})
    (tmp_path / "mine.yaml").write_text(config.to_yaml())
    out = tmp_path / "run"
    assert guard(cli.main, ["run", "--profile", str(tmp_path / "mine.yaml"), f"--out={out}"]) == 0
    assert audit.audit(out, verify=True).exit_code == 0
    assert "diffseg30k as published" in (out / "report.html").read_text()
    begun = json.loads((out / "run.json").read_text())
    assert begun["photos"] == "" and len(begun["imported"]) == 16
