"""A cache is what the shards say, is made once, and is made again whenever it is not."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError, NotReady, TransientError
from pipeline.shards import RunFolder
from training import cache, cache_files, filling
from training.cache import Cache, open_cache

if TYPE_CHECKING:
    from tests.training.conftest import Runs

ROOT = Path(__file__).parents[2]


def same(one: Cache, other: Cache) -> bool:
    return (
        one.facts == other.facts and np.array_equal(one.images, other.images)
        and np.array_equal(one.masks, other.masks)
    )  # fmt: skip


def left(run: RunFolder) -> list[str]:
    """What lies beside the caches, locks apart."""
    return sorted(
        path.name for path in (run.path / "cache").iterdir()
        if not path.name.startswith(("train-", "val-")) and path.suffix != ".lock"
    )  # fmt: skip


def test_pictures_are_in_key_order_at_the_networks_size(runs: Runs) -> None:
    run, config = runs.make(samples=8, size=64)
    found = open_cache(run, config, "train", 32)
    assert found.keys == tuple(f"{i:08d}" for i in range(8) if i % 4 != 3) and found.size == 32
    assert (found.images.shape, found.images.dtype) == ((6, 32, 32, 3), np.uint8)
    assert (found.masks.shape, found.masks.dtype) == ((6, 32, 32), np.uint8)
    assert set(found.parents) == {"assemble-train/00000", "assemble-train/00001"}
    assert found.parents["assemble-train/00001"] == run.manifest("assemble-train", 1).sha256
    for i, key in enumerate(found.keys):
        image, mask = (Image.fromarray(part) for part in runs.picture(int(key), 64))
        small = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
        assert np.array_equal(found.images[i], small)
        assert np.array_equal(found.masks[i], mask.resize((32, 32), Image.Resampling.NEAREST))
    with pytest.raises(ValueError, match="read-only"):
        found.images[0] = 0


def test_without_a_change_of_size_pixels_are_untouched(runs: Runs) -> None:
    run, config = runs.make(size=64)
    found = open_cache(run, config, "val", 64)
    for i, key in enumerate(found.keys):
        image, mask = runs.picture(int(key), 64)
        assert np.array_equal(found.images[i], image) and np.array_equal(found.masks[i], mask)


def test_photographs_without_an_edit_are_where_they_belong(runs: Runs) -> None:
    painted = {"00000000": ("sdxl", "flux"), "00000003": ("flux",)}
    run, config = runs.make(samples=8, unedited=3, negatives=6, painted=painted)
    train, val = (open_cache(run, config, split, 32) for split in ("train", "val"))
    parts = {split: [one.part for one in found.facts]
             for split, found in (("train", train), ("val", val))}  # fmt: skip
    assert parts["train"] == ["edited"] * 6 + ["unedited"] * 3 + ["negative"] * 4
    assert parts["val"] == ["edited"] * 2 + ["negative"] * 2
    assert train.facts[0].families == ("sdxl", "flux") and val.facts[0].families == ("flux",)
    assert train.facts[1].families == ("flux",), "nobody knows its turns: its mask tells"
    assert not train.masks[6:].any() and not val.masks[2:].any()
    assert not set(train.sources) & set(val.sources) and "real-0" in train.sources
    assert {"reals/00000", "reals/00001", "reals/00002"} < set(train.parents)


def test_it_is_filled_once_and_then_only_read(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run, config = runs.make()
    before = open_cache(run, config, "train", 32)
    monkeypatch.setattr(filling, "fill", None)
    for check in (True, False):
        assert same(open_cache(run, config, "train", 32, check=check), before)
    assert left(run) == []


@pytest.mark.parametrize("name", ["images.u8", "masks.u8", "facts.json", "index.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_one_is_said_and_made_again(
    runs: Runs, name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = runs.make()
    before = open_cache(run, config, "train", 32)
    wanted = [np.array(before.images), np.array(before.masks)]
    path = before.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if name != "index.json" else 0] ^= 0xFF
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(data if how == "flipped" else path.read_bytes()[:-1])
    capsys.readouterr()
    again = open_cache(run, config, "train", 32)
    assert capsys.readouterr().out.count("is damaged (") == 1
    assert np.array_equal(again.images, wanted[0]) and np.array_equal(again.masks, wanted[1])
    assert again.facts == before.facts and left(run) == []
    assert same(open_cache(run, config, "train", 32), again)
    assert "damaged" not in capsys.readouterr().out


def test_trust_looks_at_sizes_alone(runs: Runs) -> None:
    run, config = runs.make()
    path = open_cache(run, config, "train", 32).folder / "images.u8"
    data = bytearray(path.read_bytes())
    data[5] ^= 0xFF
    path.write_bytes(data)
    assert open_cache(run, config, "train", 32, check=False).images.flat[5] == data[5]
    assert open_cache(run, config, "train", 32).images.flat[5] == data[5] ^ 0xFF


def test_who_trusted_a_damaged_one_sees_what_was_made_again(runs: Runs) -> None:
    run, config = runs.make()
    path = open_cache(run, config, "train", 32).folder / "images.u8"
    data = bytearray(path.read_bytes())
    data[5] ^= 0xFF
    path.write_bytes(data)
    trusting = open_cache(run, config, "train", 32, check=False)
    checked = open_cache(run, config, "train", 32)
    assert not same(trusting, checked) and same(trusting.again(), checked)


def test_other_shards_make_another_and_the_stale_one_goes(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = runs.make()
    before = open_cache(run, config, "train", 32)
    other_size = open_cache(run, config, "train", 16)
    pixels = np.array(before.images)
    manifest = run.manifest("assemble-train", 0)
    run.tar(manifest).unlink()
    run.manifest_path("assemble-train", 0).unlink()
    runs.write(run, "train", 0, {"00000001": runs.picture(9, 64)})
    after = open_cache(run, config, "train", 32)
    assert "was made from other shards: removed" in capsys.readouterr().out
    assert after.folder != before.folder and not before.folder.exists()
    assert after.keys == ("00000001", "00000004", "00000005", "00000006")
    assert np.array_equal(before.images, pixels), "who has it mapped keeps it"
    assert other_size.folder.exists(), "of another size: for whoever asks for that"


def test_what_a_killed_process_left_is_removed(runs: Runs) -> None:
    run, config = runs.make()
    folder = open_cache(run, config, "train", 32).folder
    (folder.parent / f".{folder.name}.0123").mkdir()
    (folder.parent / f".{folder.name}.0123" / "images.u8").write_bytes(b"half")
    shutil.rmtree(folder)
    open_cache(run, config, "train", 32)
    assert left(run) == [] and folder.exists()


def locks_of(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    if not there:
        monkeypatch.setattr(cache_files.fcntl, "flock", refuse)


@pytest.mark.parametrize("locks", [True, False])
def test_several_at_once_do_each_other_no_harm(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    run, config = runs.make()
    locks_of(monkeypatch, locks)
    fills, fill, together = [], filling.fill, threading.Barrier(4, timeout=20)

    def counted(*args: Any) -> Any:
        fills.append(1)
        if not locks:
            together.wait()
        return fill(*args)

    monkeypatch.setattr(filling, "fill", counted)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: open_cache(run, config, "train", 32), range(4)))
    assert all(same(found[0], one) for one in found[1:])
    assert len(fills) == (1 if locks else 4) and left(run) == []
    assert same(open_cache(run, config, "train", 32), found[0])


def test_a_whole_one_keeps_its_name_even_for_a_moment(tmp_path: Path) -> None:
    """Whoever was second must not take it away: the first may be opening it."""
    aside, folder = tmp_path / ".second", tmp_path / "cache"
    for path in (aside, folder):
        path.mkdir()
        (path / path.name).touch()
    inode = folder.stat().st_ino
    cache_files.stand(aside, folder, lambda: True)
    assert folder.stat().st_ino == inode and aside.exists()
    cache_files.stand(aside, folder, lambda: False)
    assert folder.stat().st_ino != inode and not aside.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_one_that_was_killed_hurts_nobody(runs: Runs) -> None:
    """A process dies while it fills; one that waits for it goes on in its place."""
    run, config = runs.make()
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pipeline.config import read\n"
        "from pipeline.shards import RunFolder\n"
        "from training import cache, filling\n"
        "filling._write = lambda *_: (print('filling', flush=True), time.sleep(60))\n"
        "path = Path(sys.argv[1])\n"
        "cache.open_cache(RunFolder(path), read(path / 'config.yaml'), 'train', 32)\n"
    )
    argv = [sys.executable, "-c", code, str(run.path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        while "filling\n" not in (line := child.stdout.readline()):
            assert line, "the child ended"
        assert len(left(run)) == 1
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(open_cache, run, config, "train", 32)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            child.kill()
            assert len(waiting.result(timeout=30).facts) == 6
    assert left(run) == []


def test_a_disk_that_runs_full_is_an_error_and_no_signal(runs: Runs) -> None:
    run, config = runs.make()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(TransientError, match="while the cache of train at 128 px was filled"):
            open_cache(run, config, "train", 128)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left(run) == [] and open_cache(run, config, "train", 128).size == 128


def test_a_full_disk_can_be_tried_again_and_leaves_nothing(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config = runs.make()

    def full(self: filling._Hashed, raw: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(filling._Hashed, "write", full)
        with pytest.raises(TransientError, match="No space left.*make room, then run the same"):
            open_cache(run, config, "train", 32)
    assert [path.suffix for path in (run.path / "cache").iterdir()] == [".lock"]
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
        with pytest.raises(TransientError, match=r"has 0 MiB free and the cache of train at 32 px"):
            open_cache(run, config, "train", 32)
    assert len(open_cache(run, config, "train", 32).facts) == 6


def test_a_mask_of_another_size_names_dataset_and_sample(runs: Runs) -> None:
    run, config = runs.make(samples=4)
    image, mask = runs.picture(4, 64)
    config = config.model_copy(update={"samples": 8})
    runs.write(run, "train", 1, {"00000004": (image, mask[:32])})
    runs.write(run, "val", 1, {})
    with pytest.raises(InputError, match=r"assemble-train, sample 00000004: its mask is 64 x 32 p"):
        open_cache(run, config, "train", 32)
    assert left(run) == []


def test_a_label_of_no_family_names_dataset_and_sample(runs: Runs) -> None:
    run, config = runs.make(samples=8)
    stranger = config.model_copy(update={"families": {"sdxl": 3}})
    with pytest.raises(InputError, match=r"assemble-train, sample 00000001: label 7 of its mask"):
        open_cache(run, stranger, "train", 64)


def test_a_split_that_is_not_there_yet_can_be_waited_for(runs: Runs) -> None:
    run, config = runs.make(samples=8)
    with pytest.raises(NotReady):
        open_cache(run, config.model_copy(update={"samples": 16}), "train", 32)


def test_a_long_fill_says_how_far_it_is(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = runs.make()
    monkeypatch.setattr("training.counting.EVERY", 0.0)
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(run.path / "progress"))
    folder = open_cache(run, config, "train", 32).folder
    said = capsys.readouterr().out
    assert f"fills {folder.name} with 6 pictures of 32 px" in said
    assert "resizing train: 3 of 6 pictures, " in said
    assert (run.path / "progress").read_text() == "6/6\n"
    assert json.loads((folder / "index.json").read_text())["resampler"] == cache.RESAMPLER
