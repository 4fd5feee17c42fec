"""One folder, one config, one set of photographs; anything else gets one clear sentence."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import runs
from pipeline.config import Config
from pipeline.errors import InputError, TransientError, explain
from pipeline.shards import RunFolder

DATA = Path(__file__).parent.parent / "data"


def commit(out: Path) -> None:
    """As if one shard were done."""
    (out / "shards" / "ingest").mkdir(parents=True)
    (out / "shards" / "ingest" / "00000.json").write_text("{}")


def test_a_run_can_be_taken_up_again(standin: Config, tmp_path: Path) -> None:
    first, _ = runs.begin(standin, DATA / "photos", tmp_path / "run")
    again, _ = runs.begin(standin, DATA / "photos", tmp_path / "run")
    assert first == again and first.photos == str((DATA / "photos").resolve())


def test_a_run_of_another_config_is_not_touched(standin: Config, tmp_path: Path) -> None:
    runs.begin(standin, DATA / "photos", tmp_path)
    commit(tmp_path)
    before = (tmp_path / "config.yaml").read_bytes()
    other = standin.model_copy(update={"seed": 8})
    with pytest.raises(InputError, match=r"holds a run of another config \(profile standin"):
        runs.begin(other, DATA / "photos", tmp_path)
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_a_run_of_which_nothing_is_committed_may_be_changed(
    standin: Config, tmp_path: Path
) -> None:
    runs.begin(standin, DATA / "photos", tmp_path)
    other = standin.model_copy(update={"seed": 8})
    assert runs.begin(other, DATA / "photos", tmp_path)[0].seed == 8


def test_an_empty_folder_of_photographs_is_named(standin: Config, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="photos: the folder is empty"):
        runs.begin(standin, tmp_path / "photos", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_how_the_work_is_spread_may_change(standin: Config, tmp_path: Path) -> None:
    runs.begin(standin, DATA / "photos", tmp_path)
    commit(tmp_path)
    spread = standin.local.model_copy(update={"partitions": 3})
    runs.begin(standin.model_copy(update={"local": spread}), DATA / "photos", tmp_path)


def test_photographs_that_changed_are_noticed(standin: Config, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(DATA / "photos", photos)
    runs.begin(standin, photos, tmp_path / "run")
    commit(tmp_path / "run")
    (photos / "images" / "coffee.jpg").unlink()
    with pytest.raises(InputError, match="not those that the run"):
        runs.begin(standin, photos, tmp_path / "run")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda out: out.write_text("x"), "is a file"),
        (lambda out: (out.mkdir(), (out / "thesis.tex").write_text("x")), "is no run.*thesis.tex"),
        (lambda out: (commit(out), (out / "run.json").write_text("{")), "is damaged"),
    ],
)
def test_a_folder_that_is_something_else_is_not_touched(
    standin: Config, tmp_path: Path, prepare: Callable[[Path], object], says: str
) -> None:
    out = tmp_path / "out"
    prepare(out)
    with pytest.raises(InputError, match=says):
        runs.begin(standin, DATA / "photos", out)


def test_photographs_that_are_not_there_are_named(standin: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of photographs at .*nowhere"):
        runs.begin(standin, tmp_path / "nowhere", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unwritable_folder_ends_as_permanent(standin: Config, tmp_path: Path) -> None:
    """In a child that has given up root's rights, where it had them."""
    out = tmp_path / "closed"
    out.mkdir()
    out.chmod(0o555)
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            for folder in [tmp_path, *tmp_path.parents][:3]:
                folder.chmod(folder.stat().st_mode | 0o055)
            os.setuid(65534)
        try:
            runs.begin(standin, DATA / "photos", out / "run")
            code = 0
        except OSError as error:
            code, sentence = explain(error)
            if "closed" not in sentence or "choose one that you may use" not in sentence:
                code = 99
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 78


def test_a_full_disk_is_refused_before_anything_starts(
    standin: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MINIMUM_FREE", 1 << 60)
    with pytest.raises(TransientError, match="less than 64 MiB free"):
        runs.begin(standin, DATA / "photos", tmp_path / "run")


def test_one_executor_at_a_time(run: RunFolder) -> None:
    again = pytest.raises(TransientError, match="another palimpsest is at work")
    with runs.lock(run.path), again, runs.lock(run.path):
        pass
    with runs.lock(run.path):
        pass


def test_a_sweep_takes_only_what_killed_attempts_left(run: RunFolder) -> None:
    (run.path / "staging").mkdir()
    (run.datasets / "edit").mkdir(parents=True)
    left = [run.path / "staging" / "edit-00000-abc.part", run.datasets / "edit" / ".00000.json.abc"]
    kept = [run.datasets / "edit" / "00000.json", run.datasets / "edit" / "00000-ab.tar"]
    for path in [*left, *kept]:
        path.write_text("x")
    runs.sweep(run)
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)
