"""One folder, one config, one set of photographs; anything else gets one clear sentence."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import runs
from pipeline.config import Config, Detector
from pipeline.errors import InputError, TransientError, explain
from pipeline.shards import RunFolder
from pipeline.writer import Writer

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
    with pytest.raises(InputError, match="no photographs below .*photos: expected .*jpg"):
        runs.begin(standin, tmp_path / "photos", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_photograph_cannot_be_split_for_detectors(standin: Config, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    first = sorted((DATA / "photos" / "images").iterdir())[0]
    shutil.copy(first, tmp_path / "photos")
    runs.begin(standin, tmp_path / "photos", tmp_path / "without")
    detecting = standin.model_copy(update={"detectors": {"deeplabv3plus": Detector()}})
    with pytest.raises(InputError, match="photos has one photograph, but detectors need two"):
        runs.begin(detecting, tmp_path / "photos", tmp_path / "with")


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
        (lambda out: (commit(out), (out / "run.json").write_text("null")), "is damaged"),
        (lambda out: (commit(out), (out / "run.json").write_text("[]")), "is damaged"),
        (lambda out: (commit(out), (out / "run.json").write_bytes(b'{"\xff": 1}')), "is damaged"),
        (lambda out: (commit(out), (out / "run.json").mkdir()), "is damaged"),
        (lambda out: (out.mkdir(), (out / ".git").mkdir()), "is not empty.*it has .git"),
        (lambda out: (out.mkdir(), (out / ".env.yaml").write_text("x")), "it has .env.yaml"),
        (lambda out: out.symlink_to("nowhere"), "cannot be used"),
        (lambda out: out.symlink_to("out"), "cannot be used"),
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
        except InputError as error:
            code, sentence = explain(error)
            if "closed" not in sentence or "give another folder with --out" not in sentence:
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


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, InputError), (errno.EROFS, InputError), (errno.EIO, OSError)],
)
def test_a_run_that_cannot_be_written_says_so(
    number: int, kind: type[Exception], run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(runs, "open", refuse, raising=False)
    says = f"{run.path} cannot be written .*: do this as whoever" if kind is InputError else ".lock"
    with pytest.raises(kind, match=says), runs.lock(run.path):
        raise AssertionError


HEX = "0123456789abcdef" * 2


def test_a_sweep_takes_only_what_killed_attempts_left(run: RunFolder) -> None:
    for folder in ("staging", "dataset", "models", "shards/edit"):
        (run.path / folder).mkdir(parents=True)
    left = [
        f"staging/edit-1-heal-00000-{HEX}.part", f"shards/edit/.00000.json.{HEX}",
        f".config.yaml.{HEX}", f".run.json.{HEX}", f".report.html.{HEX}",
        f"dataset/.index.json.{HEX}", f"models/.fcn8s-binary.safetensors.{HEX}",
    ]  # fmt: skip
    kept = [
        "shards/edit/00000.json", "shards/edit/00000-ab.tar", ".env.local", ".lock", ".run.json.x",
        f".run.json.{HEX[1:]}", f".thesis.tex.{HEX}", "dataset/.notes.txt", "staging/mine.part",
    ]  # fmt: skip
    for name in [*left, *kept]:
        (run.path / name).write_text("x")
    (run.path / f".run.json.{HEX[::-1]}").mkdir()
    runs.sweep(run)
    assert not [name for name in left if (run.path / name).exists()]
    assert not [
        name for name in [*kept, f".run.json.{HEX[::-1]}"] if not (run.path / name).exists()
    ]


def test_a_sweep_leaves_what_a_live_writer_holds(run: RunFolder) -> None:
    with Writer(run, "edit", 0) as writer:
        writer.add("00000000", [("a.json", b"{}")])
        runs.sweep(run)
        facts = dict.fromkeys(("config", "code", "model", "seeds"), "")
        manifest = writer.commit(["00000000"], [], {}, facts, {})
    assert run.tar(manifest).is_file()
    dead = run.path / "staging" / f"edit-00000-{HEX}.part"
    dead.write_text("x")
    runs.sweep(run)
    assert not dead.exists()


def test_what_an_attempt_at_beginning_left_does_not_bar_the_way(
    standin: Config, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    for name in (".lock", f".run.json.{HEX}"):
        (out / name).write_text("")
    runs.begin(standin, DATA / "photos", out)
    (out / "config.yaml").unlink()  # killed between the two
    runs.begin(standin, DATA / "photos", out)


@pytest.mark.parametrize("out", ["photos", "photos/run", "photos/../photos/deep/run", ".", "link"])
def test_a_run_and_its_photographs_lie_apart(standin: Config, tmp_path: Path, out: str) -> None:
    shutil.copytree(DATA / "photos", tmp_path / "photos")
    (tmp_path / "link").symlink_to("photos")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="photographs.* --out"):
        runs.begin(standin, tmp_path / "photos", tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("out", ["/proc/x/run", "long" * 100, "file/run", "file/run/run"])
def test_a_folder_that_cannot_be_made_is_named(standin: Config, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be used .*: give another folder with --out"):
        runs.begin(standin, DATA / "photos", tmp_path / out)


def test_a_full_disk_is_not_the_users_to_change(
    standin: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError) as caught:
        runs.begin(standin, DATA / "photos", tmp_path / "run")
    assert explain(caught.value)[0] == 75


def test_only_files_that_matter_make_it_another_run(standin: Config, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "run"
    shutil.copytree(DATA / "photos", photos)
    runs.begin(standin, photos, out)
    commit(out)
    for name in (".DS_Store", "film.gif", "more.gif", "odd.a\nb"):
        (photos / name).write_text("x")
    runs.begin(standin, photos, out)
    assert runs.begun(out)["ignored"] == {".gif": 2, "": 1, ".a\\nb": 1, ".md": 1}
    (photos / "new.JPG").write_text("x")
    with pytest.raises(InputError, match="not those that the run"):
        runs.begin(standin, photos, out)


def test_a_folder_that_is_no_run_has_not_begun(tmp_path: Path) -> None:
    assert runs.begun(tmp_path) == {}
