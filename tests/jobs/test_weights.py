"""Which weights they were, exactly."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.tiny.cache import ensure
from jobs.weights import editor
from pipeline import store
from pipeline.config import Config
from pipeline.errors import ConfigError, CorruptData
from pipeline.store import digest
from tests.jobs.locks import locked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "weights"
    (root / "unet").mkdir(parents=True)
    (root / "unet" / "model.safetensors").write_bytes(b"0123456789")
    (root / "model_index.json").write_bytes(b"{}")
    return locked(root)


def flip(folder: Path) -> None:
    (folder / "unet" / "model.safetensors").write_bytes(b"0123456780")


def lengthen(folder: Path) -> None:
    (folder / "unet" / "model.safetensors").write_bytes(b"0123456789\0")


def rename(folder: Path) -> None:
    (folder / "model_index.json").rename(folder / "model_indez.json")


def move(folder: Path) -> None:
    (folder / "unet" / "model.safetensors").rename(folder / "model.safetensors")


def swap(folder: Path) -> None:
    (folder / "unet" / "model.safetensors").write_bytes(b"{}")
    (folder / "model_index.json").write_bytes(b"0123456789")


def add(folder: Path) -> None:
    (folder / "empty").write_bytes(b"")


def remove(folder: Path) -> None:
    (folder / "model_index.json").unlink()


@pytest.mark.parametrize("change", [flip, lengthen, rename, move, swap, add, remove])
def test_the_digest_changes_with_a_byte_or_a_name(
    folder: Path, change: Callable[[Path], None]
) -> None:
    before = digest([folder])
    change(folder)
    with pytest.raises(CorruptData, match="palimpsest models verify"):
        digest([folder])
    assert digest([locked(folder)]) != before


def test_the_digest_does_not_change_with_place_or_time(folder: Path, tmp_path: Path) -> None:
    before = digest([folder])
    there = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, there)
    locked(there)
    os.utime(folder / "model_index.json", (1, 1))
    assert digest([folder]) == digest([there]) == before
    assert len(before) == 16 and set(before) <= set("0123456789abcdef")


def test_what_a_downloader_leaves_behind_does_not_count(folder: Path) -> None:
    before = digest([folder])
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "model.metadata").write_text("downloaded today")
    (folder / ".gitattributes").write_text("x")
    assert digest([folder]) == before


def test_hidden_folders_above_the_weights_do_not_hide_them(folder: Path, tmp_path: Path) -> None:
    hidden = tmp_path / ".cache" / folder.name
    shutil.copytree(folder, hidden)
    assert digest([locked(hidden)]) == digest([folder])


def test_only_the_familys_own_folders_count(
    configured: Callable[..., Config], tiny_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(ensure("glide", tiny_root), tmp_path / "weights")
    config = configured(editing={"folder": str(tmp_path / "weights")}, families={"glide": 5})
    before = editor(config, "glide")[1]
    (tmp_path / "weights" / "stable-diffusion-xl").mkdir()
    (tmp_path / "weights" / "stable-diffusion-xl" / "model.safetensors").write_bytes(b"other")
    assert editor(config, "glide")[1] == before != ""
    (tmp_path / "weights" / "glide-inpaint" / "more.txt").write_text("more")
    with pytest.raises(CorruptData, match="more.txt is not in the lock"):
        editor(config, "glide")
    locked(tmp_path / "weights" / "glide-inpaint")
    assert editor(config, "glide")[1] != before


def test_a_family_without_weights_has_no_digest(standin: Config) -> None:
    assert editor(standin, "clone")[1] == ""


def test_weights_without_a_lock_are_refused_and_texts_are_not(folder: Path, tmp_path: Path) -> None:
    store.lock_path(folder).unlink()
    with pytest.raises(ConfigError, match="weights has no lock.*`palimpsest models fetch`"):
        digest([folder])
    (folder / "unet" / "model.safetensors").unlink()
    (folder / "unet" / "model.bin").write_bytes(b"pickle")
    with pytest.raises(ConfigError, match="has no lock"):
        digest([folder])
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "score.txt").write_text("How real is it?")
    assert digest([tmp_path / "questions"])
