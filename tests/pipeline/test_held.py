"""Weights that are swapped or changed between the check and the load are not read, or refused."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline import held as module
from pipeline import store
from pipeline.errors import ConfigError, CorruptData, TransientError
from pipeline.held import held
from tests.jobs.locks import locked

GOOD, EVIL = b"good" * 1000, b"evil" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "models" / "weights"
    (found / "unet").mkdir(parents=True)
    (found / "unet" / "model.safetensors").write_bytes(GOOD)
    (found / "model_index.json").write_bytes(b"{}")
    return locked(found)


def beside(folder: Path) -> Path:
    """The same, by somebody else."""
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    (other / "unet" / "model.safetensors").write_bytes(EVIL)
    return other


def test_there_is_what_was_checked_and_nothing_else(folder: Path) -> None:
    (folder / ".cache").mkdir()
    (folder / ".cache" / "note").write_text("x")
    with held([folder]) as (root, digest):
        assert digest == store.digest([folder]) and root != folder.parent
        files = [path for path in root.rglob("*") if path.is_file()]
        names = sorted(path.relative_to(root).as_posix() for path in files)
        assert names == ["weights/model_index.json", "weights/unet/model.safetensors"]
        assert (root / "weights/unet/model.safetensors").read_bytes() == GOOD
    assert not root.exists()


def test_a_file_that_is_swapped_is_not_read(folder: Path) -> None:
    other = beside(folder)
    with pytest.raises(TransientError, match="model.safetensors was changed while"):  # noqa: SIM117
        with held([folder]) as (root, _):
            os.replace(other / "unet" / "model.safetensors", folder / "unet" / "model.safetensors")
            assert (folder / "unet" / "model.safetensors").read_bytes() == EVIL
            assert (root / "weights" / "unet" / "model.safetensors").read_bytes() == GOOD


def test_a_folder_that_is_swapped_and_put_back_is_not_read(folder: Path) -> None:
    """Not even noticed: what was read is what had been checked."""
    other = beside(folder)
    with held([folder]) as (root, _):
        folder.rename(folder.with_name("away"))
        other.rename(folder)
        assert (root / "weights" / "unet" / "model.safetensors").read_bytes() == GOOD
        folder.rename(other)
        folder.with_name("away").rename(folder)


@pytest.mark.parametrize("change", ["write", "truncate", "append", "unlink", "link out"])
def test_what_is_changed_in_place_is_refused(change: str, folder: Path) -> None:
    path = folder / "unet" / "model.safetensors"
    with pytest.raises(TransientError, match="model.safetensors was changed while"):  # noqa: SIM117
        with held([folder]):
            if change == "write":
                before = path.stat()
                with open(path, "r+b") as file:
                    file.write(EVIL)
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # and hides it
            elif change == "truncate":
                os.truncate(path, 0)
            elif change == "append":
                with open(path, "ab") as file:
                    file.write(b"x")
            else:
                path.unlink()
                if change == "link out":
                    path.symlink_to(beside_file(folder))
    if change in ("write", "truncate", "append"):
        with pytest.raises(CorruptData), held([folder]):  # the next try
            pytest.fail("it was handed out")


def beside_file(folder: Path) -> Path:
    found = folder.with_name("evil")
    found.write_bytes(EVIL)
    return found


def test_a_change_while_it_is_hashed_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "unet" / "model.safetensors"

    def told(size: int) -> None:
        with open(path, "r+b") as file:
            file.write(EVIL)

    with pytest.raises(TransientError, match="was changed while it was being read"):
        store.survey(folder, told)


def test_without_proc_a_swap_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DESCRIPTORS", Path("/nowhere"))
    with held([folder]) as (root, digest):
        assert root == folder.parent and digest == store.digest([folder])
    other = beside(folder)
    with pytest.raises(TransientError, match="was changed while"), held([folder]):
        os.replace(other / "unet" / "model.safetensors", folder / "unet" / "model.safetensors")


def test_what_its_reader_says_names_the_folder_and_not_the_links(folder: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{folder} lacks a thing$"):  # noqa: SIM117
        with held([folder]) as (root, _):
            raise ConfigError(f"{root / folder.name} lacks a thing")


def test_descriptors_are_closed_and_a_missing_folder_is_its_readers_to_name(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with held([folder]):
        assert len(os.listdir("/proc/self/fd")) == before + 2
    with held([folder, folder.with_name("missing")]) as (root, _):
        assert root == folder.parent
    assert len(os.listdir("/proc/self/fd")) == before
