"""Any file at all that is called a photograph: taken or quarantined with a reason, and no other
sample pays for it."""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from jobs import ingest as job
from jobs import photos
from jobs.coco import Photo, Photographs
from jobs.photos import Refused, see
from pipeline import runs
from pipeline.config import Bases, Config
from pipeline.documents import QuarantineReason
from pipeline.records import Reject, Sourced
from pipeline.shards import join
from tests.faults import bombs, hostile
from tests.faults.counts import limit

ROOT = Path(__file__).parents[2]
PHOTOS = sorted((ROOT / "tests" / "data" / "photos" / "images").iterdir())
#: Photographs in a folder at once, one of them good.
BATCH = 50
Break = Callable[[bytes, random.Random], bytes]


def seeds() -> list[tuple[str, bytes, Break | None]]:
    """Suffix, bytes, and how to break what only this format has."""
    found: list[tuple[str, bytes, Break | None]] = []
    for path in PHOTOS[:4]:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
        small.thumbnail((96, 96))
        turned = [small.transpose(Image.Transpose.ROTATE_90).resize(small.size)]
        forms: list[tuple[str, str, dict[str, Any], Break | None]] = [
            (".jpg", "JPEG", {}, hostile.jpeg),
            (".jpg", "JPEG", {"progressive": True, "icc_profile": b"x" * 300}, hostile.jpeg),
            (".png", "PNG", {}, hostile.png),
            (".png", "PNG", {"save_all": True, "append_images": turned}, hostile.png),
            (".webp", "WEBP", {}, hostile.webp),
            (".webp", "WEBP", {"lossless": True}, hostile.webp),
            (".webp", "WEBP", {"save_all": True, "append_images": turned}, hostile.webp),
            (".tiff", "TIFF", {"compression": "tiff_lzw"}, None),
            (".bmp", "BMP", {}, None),
        ]
        for suffix, form, how, broken in forms:
            out = io.BytesIO()
            small.save(out, form, **how)
            found.append((suffix, out.getvalue(), broken))
        out = io.BytesIO()
        small.quantize(16).save(out, "PNG")
        found.append((".png", out.getvalue(), hostile.png))
    return found


def ingested(
    configured: Callable[..., Config], folder: Path
) -> dict[str, Sourced | Reject[Sourced]]:
    """What the job makes of a folder, by the file's name."""
    paths = sorted(folder.iterdir())
    chosen = {"ai_share": 0, "crops": "centre", "resolution": 64, "min_side": 16}
    config = configured(samples=len(paths), shard_size=BATCH, bases=chosen)
    found = Photographs({path.name: Photo(path, path.name) for path in paths},
                        split={path.name: "train" for path in paths})  # fmt: skip
    results = job.ingest(config, found, config.keys(0))
    named = {one.detail.partition(":")[0] if isinstance(one, Reject) else one.source.file: one
             for one in results}  # fmt: skip
    assert len(results) == len(paths) and set(named) == {path.name for path in paths}
    return named


def culprit(configured: Callable[..., Config], folder: Path, named: dict[str, str]) -> str:
    """The first photograph of a folder with which ingesting fails though only the good one is
    there besides, and its case; all of them, if each is taken for itself."""
    for name, case in named.items():
        alone = folder.with_name(f"{folder.name}-alone")
        shutil.rmtree(alone, ignore_errors=True)
        alone.mkdir()
        for one in ("good.jpg", name):
            shutil.copy(folder / one, alone)
        try:
            ingested(configured, alone)
        except Exception as error:
            return f"{name}, {case}: {type(error).__name__}: {error}"
    return f"none of these alone: {named}"


def test_a_case_that_fails_is_named(
    configured: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("good.jpg", "000.jpg", "001.jpg", "002.jpg"):
        shutil.copy(PHOTOS[0], folder / name)
    with open(folder / "001.jpg", "ab") as out:
        out.write(b"the one")
    real = photos.seen

    def seen(raw: bytes, rules: Any) -> photos.Sight:
        if raw.endswith(b"the one"):
            raise ZeroDivisionError("of all things")
        return real(raw, rules)

    monkeypatch.setattr("jobs.cut.seen", seen)
    named = {f"00{number}.jpg": f"case {number}" for number in range(3)}
    with pytest.raises(ZeroDivisionError):
        ingested(configured, folder)
    found = culprit(configured, folder, named)
    assert found == "001.jpg, case 1: ZeroDivisionError: of all things"
    del named["001.jpg"]
    assert culprit(configured, folder, named).startswith("none of these alone: {'000.jpg': ")


@pytest.mark.slow
@pytest.mark.timeout(limit(1800))
def test_a_broken_photograph_is_taken_or_quarantined_and_costs_no_other(
    configured: Callable[..., Config], tmp_path: Path, said: Callable[[str], None]
) -> None:
    known, good = seeds(), PHOTOS[0].read_bytes()
    (tmp_path / "good.jpg").write_bytes(good)
    alone = ingested(configured, tmp_path)["good.jpg"]
    assert isinstance(alone, Sourced)
    found, slowest, done = Counter[str](), 0.0, list(hostile.cases("images"))
    for begin in range(0, len(done), BATCH - 1):
        named: dict[str, str] = {}
        for number, (case, draw) in enumerate(done[begin : begin + BATCH - 1]):
            suffix, data, special = draw.choice(known)
            how = special if special and draw.random() < 0.5 else hostile.broken
            name = f"{number:03d}{suffix}"
            (tmp_path / name).write_bytes(how(data, draw))
            named[name] = case
        begun = time.process_time()
        try:
            results = ingested(configured, tmp_path)
        except Exception as error:
            raise AssertionError(f"not taken: {culprit(configured, tmp_path, named)}") from error
        slowest = max(slowest, time.process_time() - begun)
        other = results.pop("good.jpg")
        assert isinstance(other, Sourced) and other.source.sha256 == alone.source.sha256, named
        assert np.array_equal(other.image, alone.image), named  # type: ignore[arg-type]
        for name, one in results.items():
            if isinstance(one, Reject):
                assert one.reason in get_args(QuarantineReason) and len(one.detail) < 500, named[
                    name
                ]
                found[one.reason] += 1
            else:
                data = (tmp_path / name).read_bytes()
                assert one.source.sha256 == hashlib.sha256(data).hexdigest(), named[name]
                assert one.image is not None and one.image.shape == (64, 64, 3), named[name]
                found["taken"] += 1
            (tmp_path / name).unlink()
    assert found.total() == len(done) and found["taken"] > len(done) / 10
    assert {"truncated-image", "unreadable-image", "image-too-large"} <= set(found)
    assert slowest < 2 * BATCH  # of a whole folder; one at a time in the test of bombs
    said(f"images: {dict(found)}, slowest {BATCH} in {slowest:.2f} s")


@pytest.mark.slow
def test_bombs_take_little_time_and_memory(tmp_path: Path, said: Callable[[str], None]) -> None:
    expected = {}
    for name, data, outcome in bombs.bombs():
        (tmp_path / name).write_bytes(data)
        expected[name] = outcome
    (tmp_path / "warm-up.jpg").write_bytes(PHOTOS[0].read_bytes())
    expected["warm-up.jpg"] = ""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.bombs", str(tmp_path)], cwd=ROOT, text=True,
        capture_output=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["name"]: row["outcome"] for row in rows} == expected, rows
    refused = [row for row in rows if row["outcome"]]
    assert max(row["bytes"] for row in refused) < 256 << 20, refused
    assert max(row["bytes"] for row in rows) < bombs.ROOM
    assert max(row["seconds"] for row in rows) < 5
    slowest, largest = (max(rows, key=lambda row: row[key]) for key in ("seconds", "bytes"))
    most = max(row["bytes"] for row in refused) >> 20
    said(f"bombs: {len(rows)}, {len(refused)} refused within {most} MiB; slowest "
         f"{slowest['name']} {slowest['seconds']:.2f} s, largest {largest['name']} "
         f"{largest['bytes'] >> 20} MiB")  # fmt: skip


@pytest.mark.slow
def test_a_run_over_bombs_and_one_photograph(
    configured: Callable[..., Config], tmp_path: Path
) -> None:
    """The stage itself, as it stands in a pod: all samples are accounted for."""
    folder = tmp_path / "photos"
    folder.mkdir()
    expected = {"good.jpg": ""}
    (folder / "good.jpg").write_bytes(PHOTOS[0].read_bytes())
    for name, data, outcome in bombs.bombs():
        if len(data) < 1 << 16:
            (folder / name).write_bytes(data)
            expected[name] = outcome
    chosen = {"ai_share": 0, "crops": "centre", "resolution": 64, "min_side": 64}
    config = configured(samples=len(expected), shard_size=10, bases=chosen)
    _, run = runs.begin(config, folder, tmp_path / "run")
    assert job.main(["--partition", "0/1", f"--run={run.path}"]) == 0
    found: dict[str, str] = {}
    for shard in range(config.shards):
        manifest = run.manifest("ingest", shard)
        assert manifest.balanced()
        found |= {one.detail.partition(":")[0]: one.reason for one in manifest.rejected}
        for row in join(run, ("ingest",), shard).rows.values():
            found[row.get("source", "Source").file] = ""
    assert found == expected


def test_what_pillow_only_warns_of_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(bombs.png(100, 100))
    with pytest.raises(Refused, match="100 x 100 pixels, bases.max_pixels is 9999"):
        see(path, Bases(max_pixels=9_999))
    assert see(path, Bases(max_pixels=10_000)).size == (100, 100)


def test_the_limits_of_pillow_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 1 << 40)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 1 << 40)
    see(PHOTOS[0], Bases())
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False  # type: ignore[comparison-overlap]
    assert (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY) == (
        photos.MAX_TEXT, photos.MAX_TEXTS,
    )  # fmt: skip


def test_a_machine_out_of_memory_is_not_the_photographs_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: Any, **how: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Image, "open", full)
    with pytest.raises(Refused, match="asks for more memory than a picture of its size"):
        see(PHOTOS[0], Bases())
    monkeypatch.setattr(photos, "PER_PIXEL", 1 << 30)
    with pytest.raises(MemoryError):
        see(PHOTOS[0], Bases())
