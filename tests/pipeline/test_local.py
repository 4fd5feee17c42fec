"""The whole dataset half of a run, with classical editors: resume, repair, repartition, failure."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
import yaml

from pipeline import audit, config, local
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.documents import Sample
from pipeline.errors import OK, Stopped
from pipeline.manifest import Manifest, sealed, unsealed
from pipeline.shards import RunFolder, join

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
pytestmark = pytest.mark.slow


def palimpsest(*args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", *map(str, args)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("finished")
    done = palimpsest("run", "--profile", DATA / "standin.yaml", "--out", "run", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 steps computed" in done.stdout and "report.html" in done.stdout
    return RunFolder(folder / "run")


@pytest.fixture
def copy(finished: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def digest(run: RunFolder) -> str:
    found = audit.audit(run.path)
    assert found.exit_code == OK, (found.missing, found.faults)
    return found.digest


def again(run: RunFolder, chosen: Config | None = None) -> int:
    chosen = chosen or config.load(str(DATA / "standin.yaml"))
    return local.run(chosen, DATA / "photos", run.path)


def test_a_finished_run_audits_clean(finished: RunFolder) -> None:
    found = audit.audit(finished.path)
    assert (found.missing, found.faults) == ((), ())
    assert found.stages["ingest"].taken == 24
    kept = sum(found.stages[f"assemble-{split}"].out for split in ("train", "val", "filtered"))
    assert kept == found.stages["score"].taken == 24
    done = palimpsest("audit", finished.path, folder=finished.path)
    assert done.returncode == 0 and f"complete, dataset digest {found.digest}" in done.stdout
    as_json = palimpsest("audit", "--json", finished.path, folder=finished.path)
    assert json.loads(as_json.stdout)["digest"] == found.digest


def test_a_second_run_computes_nothing(
    copy: RunFolder, finished: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert again(copy) == 0
    assert "0 steps computed" in capsys.readouterr().out
    assert digest(copy) == digest(finished)


def test_what_is_missing_is_made_again_with_the_same_bytes(
    copy: RunFolder, finished: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    for dataset in ("edit-2-heal", "assemble-train"):
        manifest = copy.manifest(dataset, 1)
        copy.tar(manifest).unlink()
        copy.manifest_path(dataset, 1).unlink()
    found = audit.audit(copy.path)
    assert found.exit_code == 75 and "edit-2-heal shard 00001 is not committed" in found.missing
    assert again(copy) == 0
    assert "2 steps computed" in capsys.readouterr().out
    assert digest(copy) == digest(finished)


def test_another_cut_into_partitions_gives_the_same_dataset(
    finished: RunFolder, tmp_path: Path
) -> None:
    text = yaml.safe_load((DATA / "standin.yaml").read_text())
    text["local"] = {"partitions": 3, "workers": 3}
    (tmp_path / "cut.yaml").write_text(yaml.safe_dump(text))
    assert again(RunFolder(tmp_path / "run"), config.load(str(tmp_path / "cut.yaml"))) == 0
    assert digest(RunFolder(tmp_path / "run")) == digest(finished)


@pytest.mark.parametrize("dataset", ["ingest", "plan", "edit-1-clone", "score", "assemble-val"])
def test_the_audit_finds_a_committed_file_that_vanished(copy: RunFolder, dataset: str) -> None:
    manifest = copy.manifest(dataset, 0)
    copy.tar(manifest).unlink()
    found = audit.audit(copy.path)
    assert found.exit_code == 78
    assert any(f"{manifest.tar} is gone" in fault for fault in found.faults)


@pytest.mark.parametrize("dataset", ["ingest", "plan", "edit-1-clone", "score", "assemble-train"])
def test_the_audit_finds_a_lost_sample(copy: RunFolder, dataset: str) -> None:
    """A manifest that adds up and yet answers for one sample too few."""
    path = copy.manifest_path(dataset, 0)
    manifest = json.loads(unsealed(path.read_bytes()))
    lost = next(iter(manifest["records"]))
    manifest["ids_in"].remove(lost)
    del manifest["records"][lost]
    path.write_bytes(sealed(Manifest.model_validate(manifest)))
    found = audit.audit(copy.path)
    assert found.exit_code == 78
    assert any(f"{dataset} shard 00000 lost 1 samples" in fault for fault in found.faults)


def test_the_audit_finds_bytes_that_were_swapped_under_a_child(copy: RunFolder) -> None:
    path = copy.manifest_path("plan", 0)
    manifest = json.loads(unsealed(path.read_bytes()))
    manifest |= {"sha256": "0" * 64, "tar": f"00000-{'0' * 16}.tar"}
    path.write_bytes(sealed(Manifest.model_validate(manifest)))
    found = audit.audit(copy.path)
    assert any("from other bytes of plan" in fault for fault in found.faults)


def test_the_report_is_written_again_if_it_was_deleted(copy: RunFolder) -> None:
    page = (copy.path / "report.html").read_bytes()
    (copy.path / "report.html").unlink()
    shutil.rmtree(copy.path / "dataset")
    assert again(copy) == 0
    assert (copy.path / "report.html").read_bytes() == page
    assert list((copy.path / "dataset").glob("train-*.tar"))


def test_the_chain_adds_up_pixel_by_pixel(finished: RunFolder) -> None:
    """Replay each sample's turns: nothing outside a turn's mask changes, and the label and turn
    maps say exactly who painted last."""
    chosen = config.load(str(DATA / "standin.yaml"))
    names = [stage.name for stage in dag(chosen)]
    bases = ["ingest", *(name for name in names if name.startswith("generate-"))]
    edits = [name for name in names if name.startswith("edit-")]
    seen = Counter[int]()
    for shard in range(chosen.shards):
        final = [f"assemble-{split}" for split in ("train", "val", "filtered")]
        done = join(finished, final, shard).rows
        base = join(finished, bases, shard).rows
        regions = join(finished, ["segment"], shard).rows
        by_turn = {name: join(finished, [name], shard).rows for name in edits}
        for key, row in done.items():
            sample: Sample = row.get("sample", "Sample")
            masks = regions[key].get("masks", "Masks")
            picture = base[key].get("image", "Photo")
            labels = np.zeros(picture.shape[:2], np.uint8)
            turns = np.zeros_like(labels)
            for edit in sample.edits:
                after = by_turn[f"edit-{edit.turn}-{edit.family}"][key].get("image", "Photo")
                mask = masks[edit.region]
                assert (after[~mask] == picture[~mask]).all()
                assert (after[mask] != picture[mask]).any()
                labels[mask], turns[mask] = edit.label, edit.turn
                picture = after
            assert (row.get("image", "Photo") == picture).all()
            assert (row.get("mask", "LabelMap") == labels).all()
            assert (row.get("turns", "LabelMap") == turns).all()
            seen[len(sample.edits)] += 1
    assert set(seen) == {1, 2, 3}


def test_no_source_lies_in_two_splits(finished: RunFolder) -> None:
    table = pq.read_table(finished.path / "dataset" / "edits.parquet").to_pylist()
    split = {}
    for row in table:
        if row["split"] != "filtered":
            assert split.setdefault(row["source_id"], row["split"]) == row["split"]
    assert set(split.values()) == {"train", "val"}


# webdataset leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_plain_webdataset_reads_the_dataset(finished: RunFolder) -> None:
    urls = sorted(map(str, (finished.path / "dataset").glob("train-*.tar")))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(samples) == audit.audit(finished.path).stages["assemble-train"].out
    for sample in samples:
        assert len(sample["__key__"]) == 8 and sample["image.png"].dtype == np.uint8
        assert sample["sample.json"]["source"]["split"] == "train"
        assert sample["image.png"].shape[:2] == sample["mask.png"].shape[:2]


def test_a_run_of_another_config_is_refused(copy: RunFolder) -> None:
    done = palimpsest("run", "--profile", "demo", "--out", copy.path, folder=copy.path.parent)
    assert done.returncode == 78 and "holds a run of another config" in done.stderr


def test_a_stage_that_fails_names_its_log_and_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.jpg.txt").write_text("no picture here")
    done = palimpsest("run", "--profile", DATA / "standin.yaml", "--photos", "photos",
                      "--out", "run", folder=tmp_path)  # fmt: skip
    assert done.returncode == 78
    assert "no photographs below" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "shards" / "ingest" / "00000.json").exists()


def test_bad_pictures_cost_no_good_ones(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("coffee", "rocket", "china", "flower", "chelsea", "hopper"):
        shutil.copy(DATA / "photos" / "images" / f"{name}.jpg", photos)
    (photos / "text.jpg").write_text("not a picture")
    (photos / "cut.jpg").write_bytes((photos / "coffee.jpg").read_bytes()[:5000])
    done = palimpsest("run", "--profile", DATA / "standin.yaml", "--photos", "photos",
                      "--out", "run", folder=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = audit.audit(tmp_path / "run").stages["ingest"]
    assert found.taken == 24 == found.out + found.quarantined
    assert set(found.reasons) == {"unreadable-image", "truncated-image"}
    assert found.quarantined == sum(found.reasons.values()) > 0


@pytest.mark.parametrize("name", ["standin", "demo"])
def test_tasks_wait_for_their_own_partition_only(name: str) -> None:
    path: Callable[[str], str] = lambda n: str(DATA / "standin.yaml") if n == "standin" else n  # noqa: E731
    chosen = config.load(path(name))
    graph = local.tasks(dag(chosen), chosen)
    by_name = {str(task): {str(one) for one in before} for task, before in graph.items()}
    assert by_name["plan 1"] == {"ingest 1", "segment 1"}
    assert {"assemble-train 0", "assemble-train 1"} <= by_name["index"]


def test_a_transient_failure_is_tried_again_and_a_lasting_one_is_not(
    standin: Config, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full twice, then has room; and a stage that never has any."""
    codes = iter([75, 75, 0])
    started: list[str] = []

    class Fake:
        seconds = 0.0
        log = Path("the.log")

        def __init__(self, module: str, argv: list[str], *_: object) -> None:
            started.append(module)
            self.exitcode = next(codes)
            if self.exitcode == 0:
                (run.datasets / "ingest").mkdir(parents=True)
                for shard in range(standin.shards):
                    run.manifest_path("ingest", shard).write_text("{}")

        def poll(self) -> int:
            return self.exitcode

        def share(self) -> float:
            return 0.0

        def last_words(self, code: int) -> str:
            return "disk full"

    monkeypatch.setattr(local, "Child", Fake)
    monkeypatch.setattr(local.time, "sleep", lambda seconds: None)
    whole = standin.model_copy(update={"local": config.Local(partitions=1, workers=1, retries=2)})
    only = tuple(stage for stage in dag(whole) if stage.name == "ingest")
    assert local.Executor(only, whole, run).run() == (0, 1)
    assert started == ["jobs.ingest"] * 3

    shutil.rmtree(run.datasets)
    codes = iter([75, 75, 75, 0])
    assert local.Executor(only, whole, run).run() == (75, 0)
    codes = iter([78, 0])
    assert local.Executor(only, whole, run).run() == (78, 0)


def test_ending_well_without_a_commit_is_not_believed(
    standin: Config, run: RunFolder, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    class Liar:
        exitcode, seconds, log = 0, 0.0, Path("the.log")

        def __init__(self, *_: object) -> None:
            pass

        def poll(self) -> int:
            return 0

        def share(self) -> float:
            return 1.0

        def last_words(self, code: int) -> str:
            return "all done!"

    monkeypatch.setattr(local, "Child", Liar)
    whole = standin.model_copy(update={"local": config.Local(partitions=1)})
    only = tuple(stage for stage in dag(whole) if stage.name == "ingest")
    assert local.Executor(only, whole, run).run() == (1, 0)
    assert "ended well but committed nothing" in capsys.readouterr().err


class Ended:
    """A stage that has ended, one with each exit code that is left to give."""

    seconds, log = 0.0, Path("the.log")
    codes: Iterator[int]
    words = ""

    def __init__(self, *_: object) -> None:
        self.exitcode = next(self.codes)

    def poll(self) -> int:
        return self.exitcode

    def share(self) -> float:
        return 0.0

    def last_words(self, code: int) -> str:
        return self.words


@pytest.mark.parametrize(
    ("codes", "code", "says"),
    [
        ([-9, -9, -9], 75, "killed by SIGKILL, perhaps for want of memory: choose fewer"),
        ([-9, 78], 78, "ingest 0 failed (exit 78)"),
        ([75, -1, 75], 75, "the disk of {run} may be full: make room, then run the same command"),
    ],
)
def test_a_stage_that_could_not_say_why_it_ended(
    codes: list[int], code: int, says: str, standin: Config, run: RunFolder,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    ended = iter(codes)
    monkeypatch.setattr(local, "Child", type("Fake", (Ended,), {"codes": ended}))
    monkeypatch.setattr(local.time, "sleep", lambda seconds: None)
    whole = standin.model_copy(update={"local": config.Local(workers=1, retries=2, partitions=2)})
    only = tuple(stage for stage in dag(whole) if stage.name == "ingest")
    assert local.Executor(only, whole, run).run() == (code, 0)
    assert list(ended) == []
    assert says.format(run=run.path) in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stopped, OSError])
def test_whatever_ends_the_executor_its_stages_end_first(
    error: type[BaseException], standin: Config, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    class Running(Ended):
        codes = iter([None, None])  # type: ignore[assignment]

        def end(self, force: bool) -> None:
            asked.append(force)
            self.exitcode = -15

    def show(*_: object) -> None:
        raise error

    monkeypatch.setattr(local, "Child", Running)
    monkeypatch.setattr(local.View, "show", show)
    whole = standin.model_copy(update={"local": config.Local(workers=2, partitions=2)})
    only = tuple(stage for stage in dag(whole) if stage.name == "ingest")
    with pytest.raises(error):
        local.Executor(only, whole, run).run()
    assert asked == [False, False]


def test_nothing_is_started_before_the_run_has_begun(
    standin: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with the photographs is told at once, and not after the server's imports."""
    steps: list[str] = []

    class Started(Exception):
        pass

    def executor(*_: object) -> None:
        raise Started

    for name in ("claim", "lock", "begin", "sweep"):
        real = getattr(local.runs, name)

        def noted(*given: Any, name: str = name, real: Callable[..., Any] = real) -> Any:
            steps.append(name)
            return real(*given)

        monkeypatch.setattr(local.runs, name, noted)
    monkeypatch.setattr(local, "Executor", executor)
    with pytest.raises(Started):
        local.run(standin, DATA / "photos", tmp_path / "run")
    assert [step for i, step in enumerate(steps) if step not in steps[:i]] == [
        "claim", "lock", "begin", "sweep",
    ]  # fmt: skip


def test_a_detector_that_fails_does_not_keep_the_dataset_back(
    copy: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(copy.path / "dataset")
    monkeypatch.setattr(local.Executor, "run", lambda executor: (78, 0))
    assert again(copy) == 78
    assert (copy.path / "dataset" / "index.json").is_file()
    assert f"the dataset is finished: {copy.path / 'dataset'}" in capsys.readouterr().out
