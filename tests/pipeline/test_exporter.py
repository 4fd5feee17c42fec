"""The exporter tells of a run folder what stands there: all of it, anew on each scrape, never more
than it can read, and without touching anything."""

import os
import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline import audit, cost, disk, metrics
from pipeline.batches import members
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.documents import Source
from pipeline.exporter_runs import SERVED, Runs
from pipeline.fates import FATES
from pipeline.local import tasks
from pipeline.manifest import Manifest
from pipeline.records import Sourced
from pipeline.shards import RunFolder, join
from pipeline.stage import read_run
from pipeline.writer import Writer
from tests.pipeline import exposition
from tests.training import report_run

FACTS = {"config": "c", "code": "", "model": "", "seeds": ""}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every protocol, filtered samples and turns that were declined."""
    recipe = report_run.Recipe(every=True)
    return report_run.build(tmp_path_factory.mktemp("built") / "whole", recipe)


@pytest.fixture
def whole(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "whole"))


def ingest(run: RunFolder, config: Config, shard: int, lost: int = 0) -> Manifest:
    keys = config.keys(shard)
    with Writer(run, "ingest", shard) as writer:
        for key in keys[lost:]:
            source = Source(source_id=key, split="train", base="real")
            writer.add(key, members(Sourced(source)))
        rejected = [{"key": key, "reason": "unreadable-image"} for key in keys[:lost]]
        return writer.commit(keys, rejected, {}, FACTS, {"seconds": 1.25, "phases": {"read": 0.5}})


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if "left out" in line]


def test_every_metric_of_a_run_is_served(whole: Path) -> None:
    (whole / "diverged" / "score").mkdir(parents=True)
    (whole / "diverged" / "score" / "00000-0123456789abcdef.json").write_text("{}")
    found = exposition.of(whole)
    assert found.names() == {one.name for one in SERVED} and len(SERVED) == 15
    assert found.one(metrics.RUN_DIVERGENCES, stage="score") == 1
    assert found.one(metrics.RUN_DIVERGENCES) == 1
    exposition.lint(found)


def test_samples_and_seconds_are_those_of_the_audit(whole: Path) -> None:
    found, audited = exposition.of(whole), audit.audit(whole)
    by = found.by(metrics.RUN_SAMPLES, "stage", "outcome")
    assert by == exposition.counted(audited)
    assert by["score", "low-score"] > 0 and sum(by.values()) >= 200
    held = found.by(metrics.RUN_SECONDS, "stage", "device")
    stages = {stage.name: stage for stage in dag(read_run(whole))}
    for name, row in audited.stages.items():
        device, number = stages[name].holds
        assert held.pop((name, device)) == pytest.approx(row.seconds * number)
    assert held == {}
    phases = found.by(metrics.RUN_PHASES, "stage")
    assert len(phases) == len(audited.stages) - 1  # the report is not made
    for (name,), seconds in phases.items():
        assert seconds == pytest.approx(audited.stages[name].seconds * 5 / 6, abs=0.01)


def test_shards_are_counted_as_the_work_is_cut(run: RunFolder, standin: Config) -> None:
    ingest(run, standin, 1)
    found = exposition.of(run.path)
    planned = found.by(metrics.RUN_SHARDS, "stage", "partition")
    graph = tasks(dag(standin), standin)
    assert planned.keys() == {(task.name, "{}/{}".format(*task.partition)) for task in graph}
    stages = {stage.name: stage for stage in dag(standin)}
    for task in graph:
        mine = stages[task.name].shards(standin, task.partition)
        assert planned[task.name, "{}/{}".format(*task.partition)] == len(mine)
    done = found.by(metrics.RUN_COMMITTED, "stage", "partition")
    assert done.keys() == planned.keys()
    assert {key: value for key, value in done.items() if value} == {("ingest", "1/2"): 1}


def test_shards_of_photographs_that_nobody_edits_are_their_own(whole: Path) -> None:
    found = exposition.of(whole)
    assert read_run(whole).real_shards == 2 and read_run(whole).shards == 3
    assert found.one(metrics.RUN_SHARDS, stage="reals") == 2
    assert found.one(metrics.RUN_COMMITTED, stage="reals") == 2


def test_a_stage_on_gpus_holds_one_for_each_process(run: RunFolder, standin: Config) -> None:
    trained = Config.model_validate(standin.model_dump() | {
        "families": {"sdxl": 1}, "editing": {"weights": "local", "device": "cuda"},
        "detectors": {"segformer": {"processes": 4, "batch": 16, "device": "cuda",
                                    "tasks": ("binary",)}},
    })  # fmt: skip
    (run.path / "config.yaml").write_text(trained.to_yaml())
    for dataset in ("train-segformer-binary", "edit-1-sdxl", "ingest"):
        with Writer(run, dataset, 0) as writer:
            writer.commit([], [], {}, FACTS, {"seconds": 2.5, "salvaged_seconds": 1.0})
    found = exposition.of(run.path)
    assert found.one(metrics.RUN_SECONDS, device="gpu", stage="train-segformer-binary") == 14
    assert found.one(metrics.RUN_SECONDS, device="gpu", family="sdxl", stage="edit-1-sdxl") == 3.5
    assert found.one(metrics.RUN_SECONDS, device="cpu", stage="ingest") == 3.5
    assert ("ingest",) not in found.by(metrics.RUN_SECONDS, "stage", device="gpu")


def test_a_fate_is_settled_when_all_splits_of_the_shard_stand(whole: Path) -> None:
    """And whoever tells of it tells the same."""

    def told() -> dict[str, float]:
        found = exposition.of(whole).by(metrics.RUN_FINISHED, "fate")
        audited = audit.audit(whole).samples
        assert audited == cost.reckon(RunFolder(whole), config).samples
        settled = {fate: audited[fate] for fate in FATES if fate != "undecided"}
        assert {fate: found[fate,] for fate in settled} == settled and len(found) == len(settled)
        return {**settled, "undecided": audited["undecided"]}

    config, stages = read_run(whole), audit.audit(whole).stages
    before = told()
    assert before["kept"] == sum(stages[f"assemble-{split}"].out for split in ("train", "val"))
    assert before["filtered"] == stages["assemble-filtered"].out > 0 == before["undecided"]
    assert sum(before.values()) == config.samples
    RunFolder(whole).manifest_path("assemble-val", 0).unlink()
    after = told()
    assert after["undecided"] == len(config.keys(0)) and after["kept"] < before["kept"]
    assert sum(after.values()) == config.samples


def test_scores_are_the_figures_of_committed_evaluations(whole: Path) -> None:
    found = exposition.of(whole)
    labels = ("protocol", "condition", "detector", "task", "subset", "score")
    by = found.by(metrics.RUN_SCORE, *labels)
    run, wanted = RunFolder(whole), list[tuple[tuple[str, ...], float]]()
    for stage in (one for one in dag(read_run(whole)) if one.module == "training.evaluate"):
        scores = join(run, [stage.name], 0).rows["scores"].get("scores", "Scores")
        for row in scores.rows:
            who = (row.protocol, row.condition, row.detector, row.task, row.subset)
            wanted += [((*who, name), figure.value) for name, figure in row.figures.items()
                       if figure.value is not None]  # fmt: skip
    assert by == dict(wanted) and len(by) == len(wanted) > 50
    run.manifest_path("evaluate-table2-deeplabv3plus-binary", 0).unlink()
    less = exposition.of(whole).by(metrics.RUN_SCORE, *labels)
    gone = {key[:4] for key in by.keys() - less.keys()}
    assert gone == {("table2", "clean", "deeplabv3plus", "binary")} and less.items() < by.items()


def test_deficits_are_those_of_the_index(whole: Path) -> None:
    facts = join(RunFolder(whole), ["index"], 0).rows["index"].get("index", "IndexFacts")
    found = exposition.of(whole).by(metrics.RUN_DEFICIT, "quota", "kind")
    assert found == {(one.quota, one.kind): one.deficit for one in facts.balance} != {}


def test_a_run_that_is_not_begun_has_zeros_to_rise_from(run: RunFolder, standin: Config) -> None:
    found = exposition.of(run.path)
    assert found.one(metrics.RUN_INFO, profile="standin") == 1
    assert found.one(metrics.RUN_PLANNED) == standin.samples
    assert found.by(metrics.RUN_FINISHED, "fate") == {
        ("kept",): 0, ("filtered",): 0, ("quarantined",): 0}  # fmt: skip
    stages = {(stage.name,) for stage in dag(standin)}
    for metric in (metrics.RUN_SAMPLES, metrics.RUN_SECONDS, metrics.RUN_BYTES):
        assert found.by(metric, "stage") == dict.fromkeys(stages, 0)
    assert metrics.RUN_LAST_COMMIT.name not in found.names()


def test_a_commit_is_seen_by_the_next_scrape(run: RunFolder, standin: Config) -> None:
    runs = Runs([run.path])
    assert exposition.of(runs=runs).one(metrics.RUN_COMMITTED) == 0
    manifest = ingest(run, standin, 0, lost=3)
    found = exposition.of(runs=runs)
    assert found.by(metrics.RUN_SAMPLES, "outcome", stage="ingest") == {
        ("ok",): 5, ("unreadable-image",): 3}  # fmt: skip
    assert found.one(metrics.RUN_COMMITTED) == 1
    assert found.one(metrics.RUN_BYTES) == manifest.bytes
    assert found.one(metrics.RUN_SECONDS, stage="ingest") == 1.25
    committed = run.manifest_path("ingest", 0).stat().st_mtime
    assert found.one(metrics.RUN_LAST_COMMIT) == pytest.approx(committed)


def test_a_manifest_is_read_again_only_if_it_is_another(
    run: RunFolder, standin: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in range(3):
        ingest(run, standin, shard)
    read: list[str] = []
    system = disk.System()
    opened = system.open
    monkeypatch.setattr(system, "open", lambda path: (read.append(path.name), opened(path))[1])
    monkeypatch.setattr(disk, "system", system)
    runs = Runs([run.path])
    exposition.of(runs=runs)
    assert sorted(read) == ["00000.json", "00001.json", "00002.json"]
    before = exposition.of(runs=runs)
    assert len(read) == 3 and before.one(metrics.RUN_SAMPLES) == 24
    path = run.manifest_path("ingest", 1)
    damaged = path.read_bytes()
    path.unlink()
    assert exposition.of(runs=runs).one(metrics.RUN_SAMPLES) == 16
    path.write_bytes(damaged)
    os.utime(path, ns=(1, 1))
    assert exposition.of(runs=runs).one(metrics.RUN_SAMPLES) == 24
    assert read[3:] == ["00001.json"]


def test_what_is_damaged_is_said_once_and_left_out(
    run: RunFolder, standin: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    for shard in range(3):
        ingest(run, standin, shard)
    path = run.manifest_path("ingest", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    runs = Runs([run.path])
    for _ in range(3):
        found = exposition.of(runs=runs)
        assert found.one(metrics.RUN_SAMPLES) == 16 and found.one(metrics.RUN_COMMITTED) == 2
    (said,) = warnings(capsys)
    assert f"{path} is not a manifest" in said and "palimpsest repair" in said
    path.write_bytes(whole)
    assert exposition.of(runs=runs).one(metrics.RUN_SAMPLES) == 24


def test_of_a_run_that_nobody_can_read_only_the_first_faults_are_said(
    run: RunFolder, standin: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in dag(standin):
        (run.datasets / stage.name).mkdir(parents=True)
        run.manifest_path(stage.name, 0).write_text("{}")
    exposition.of(run.path)
    said = warnings(capsys)
    assert len(said) == 6 and f"`palimpsest audit {run.path}` names all of it" in said[-1]


@pytest.mark.parametrize("what", ["config.yaml", "shards", "shards/plan", "run.json"])
def test_a_run_half_deleted_is_no_reason_to_end(
    whole: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs([whole.parent])
    assert exposition.of(runs=runs).one(metrics.RUN_INFO) == 1
    path = whole / what
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for _ in range(2):
        found = exposition.of(runs=runs)
    assert (metrics.RUN_INFO.name in found.names()) == (what != "config.yaml")
    assert metrics.DISK_FREE.name in found.names()
    said = warnings(capsys)
    assert len(said) == (what == "config.yaml")
    assert all(f"{whole} is not a run: it has no config.yaml" in one for one in said)
    shutil.rmtree(whole)
    assert metrics.RUN_INFO.name not in exposition.of(runs=runs).names()


def test_bytes_that_are_gone_below_a_document_are_said(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(whole)
    for dataset in ("index", "evaluate-table2-deeplabv3plus-binary"):
        run.tar(run.manifest(dataset, 0)).unlink()
    runs = Runs([whole])
    for _ in range(2):
        found = exposition.of(runs=runs)
    said = warnings(capsys)
    assert len(said) == 2 and all("is gone, but its manifest stands" in one for one in said)
    assert found.one(metrics.RUN_COMMITTED, stage="index") == 1


def test_a_folder_of_runs_is_looked_through_anew(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs_folder = tmp_path / "runs"
    runs_folder.mkdir()
    runs = Runs([runs_folder])
    found = exposition.of(runs=runs)
    assert found.names() == {metrics.DISK_FREE.name, metrics.DISK_SIZE.name}
    assert len(warnings(capsys)) == 1
    (runs_folder / "lost+found").mkdir()
    shutil.copytree(whole, runs_folder / "first")
    assert exposition.of(runs=runs).by(metrics.RUN_INFO, "run") == {("first",): 1}
    shutil.copytree(whole, runs_folder / "second")
    found = exposition.of(runs=runs)
    assert found.by(metrics.RUN_INFO, "run") == {("first",): 1, ("second",): 1}
    first, second = (found.by(metrics.RUN_SAMPLES, "stage", run=run) for run in ("first", "second"))
    assert first == second
    assert warnings(capsys) == []


def test_two_runs_of_one_name_would_be_one_and_are_not(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(whole, tmp_path / "elsewhere" / "whole"))
    once = exposition.of(whole)
    assert warnings(capsys) == []
    found = exposition.of(whole, other, whole)
    assert found.one(metrics.RUN_SAMPLES) == once.one(metrics.RUN_SAMPLES)
    (said,) = warnings(capsys)
    assert f"{other} bears the name of {whole}" in said
    exposition.lint(found)


@pytest.mark.parametrize("name, says", [("nowhere", "cannot be read"), ("file", "cannot be read"),
                                        ("empty", "is no run and holds none yet")])  # fmt: skip
def test_a_place_without_a_run_is_said_once(
    tmp_path: Path, name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no folder")
    runs = Runs([tmp_path / name])
    for _ in range(2):
        assert metrics.RUN_INFO.name not in exposition.of(runs=runs).names()
    (said,) = warnings(capsys)
    assert f"{tmp_path / name} {says}" in said


def test_a_config_that_cannot_be_used_leaves_the_other_runs(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, tmp_path / "bad")
    (tmp_path / "bad" / "config.yaml").write_text("families: {sdlx: 1}")
    runs = Runs([tmp_path])
    for _ in range(2):
        assert exposition.of(runs=runs).by(metrics.RUN_INFO, "run") == {("whole",): 1}
    (said,) = warnings(capsys)
    assert "did you mean 'sdxl'" in said
    (tmp_path / "bad" / "config.yaml").write_bytes((whole / "config.yaml").read_bytes())
    assert exposition.of(runs=runs).by(metrics.RUN_INFO, "run") == {("whole",): 1, ("bad",): 1}


def test_each_disk_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found = exposition.of(tmp_path / "a", tmp_path / "b")
    size = found.by(metrics.DISK_SIZE, "path")
    assert size.keys() == {(str(tmp_path / "a"),)} == found.by(metrics.DISK_FREE, "path").keys()
    assert 0 < found.one(metrics.DISK_FREE) <= found.one(metrics.DISK_SIZE)


def test_nothing_is_written_or_touched(whole: Path) -> None:
    def state() -> dict[str, tuple[int, int, int]]:
        found = [whole, *whole.rglob("*")]
        return {str(one): (one.stat().st_mtime_ns, one.stat().st_ctime_ns, one.stat().st_size)
                for one in found}  # fmt: skip

    before, runs = state(), Runs([whole])
    for _ in range(2):
        exposition.of(runs=runs)
    assert state() == before


def test_a_name_that_another_collector_has_is_refused() -> None:
    """Else a scrape would have a series twice, and Prometheus would take none of it."""
    registry = CollectorRegistry()
    registry.register(Runs([]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(Runs([]))  # type: ignore[arg-type]
