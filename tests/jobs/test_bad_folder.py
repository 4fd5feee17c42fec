"""A folder as people have them: everything odd in one place, through the real command."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import runs
from pipeline.config import Config
from pipeline.shards import RunFolder, join

ROOT = Path(__file__).parents[2]
Save = Callable[..., bytes]

BAD = {
    "letter.jpg": "unreadable-image",
    "empty.jpg": "unreadable-image",
    "film.png": "unreadable-image",
    "cut.jpg": "truncated-image",
    "cut.png": "truncated-image",
    "cut.webp": "truncated-image",
    "bomb 20000.png": "image-too-large",
    "bomb 13000.png": "image-too-large",
    "dot.png": "image-too-small",
    "line\nbreak and \"quotes\".jpg": "unreadable-image",
    "caf\\udce9.jpg": "unreadable-image",
    "gone.jpg": "missing-file",
}  # fmt: skip
ODD = ("cmyk.jpg", "deep.png", "clear.png", "Grüße.JPG", "exif.jpg", "float.tif", "moving.webp")
GOOD = ("a.jpg", "b.png", "c.webp", "d.tiff")


@pytest.fixture
def folder(tmp_path: Path, photo: Image.Image, saved: Save, bomb: Callable[[int], bytes]) -> Path:
    jpeg, png, webp = saved(photo, "JPEG"), saved(photo, "PNG"), saved(photo, "WEBP")
    text = struct.pack(">HHHI4s", 1, 0x0112, 2, 4, b"top\0")
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + text + bytes(4)
    files: dict[str, bytes] = {
        "letter.jpg": b"Dear all,\n" * 9,
        "empty.jpg": b"",
        "film.png": saved(photo, "GIF"),
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": png[: len(png) // 2],
        "cut.webp": webp[: len(webp) // 2],
        "bomb 20000.png": bomb(20_000),
        "bomb 13000.png": bomb(13_000),
        "dot.png": saved(Image.new("RGB", (1, 1)), "PNG"),
        "line\nbreak and \"quotes\".jpg": b"x",
        b"caf\xe9.jpg".decode("utf-8", "surrogateescape"): b"x",
        "cmyk.jpg": saved(photo.convert("CMYK"), "JPEG"),
        "deep.png": saved(Image.fromarray(np.full((40, 60), 32768, np.uint16)), "PNG"),
        "clear.png": saved(photo.convert("RGBA"), "PNG"),
        "Grüße.JPG": jpeg,
        "exif.jpg": saved(photo, "JPEG", exif=exif),
        "float.tif": saved(Image.fromarray(np.full((40, 60), 0.5, np.float32)), "TIFF"),
        "moving.webp": saved(
            photo, "WEBP", lossless=True, save_all=True, append_images=[photo.rotate(90)]
        ),
        "a.jpg": jpeg, "b.png": png, "c.webp": webp, "d.tiff": saved(photo, "TIFF"),
        "notes.txt": b"not looked at", "link.URL": b"nor this",
        "instances.json": b'{"images": [{"id": 1, "file_name": "gone.jpg"}], "annotations": []}',
    }  # fmt: skip
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, data in files.items():
        (photos / name).write_bytes(data)
    return photos


def command(run: RunFolder, partition: str = "0/1") -> subprocess.CompletedProcess[str]:
    argv = ["-m", "jobs.ingest", "--partition", partition, "--run", str(run.path)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *argv], capture_output=True, text=True, cwd=ROOT,
                          env=env, check=False)  # fmt: skip


def test_every_bad_picture_has_its_reason_and_every_good_one_comes_through(
    configured: Callable[..., Config], folder: Path, tmp_path: Path
) -> None:
    total = len(BAD) + len(ODD) + len(GOOD)
    bases = {"ai_share": 0, "crops": "centre", "resolution": 32}
    config = configured(samples=total, shard_size=total, bases=bases)
    run = runs.begin(config, folder, tmp_path / "run")[1]
    done = command(run)
    assert done.returncode == 0, done.stderr
    assert "left out: files of other kinds (1 .txt, 1 .url)" in done.stdout

    manifest = run.manifest("ingest", 0)
    counts = manifest.counts()
    assert counts == {"in": total, "out": len(ODD) + len(GOOD), "quarantined": len(BAD)}
    assert counts["in"] == counts["out"] + counts["filtered"] + counts["quarantined"]

    reasons = {one.detail.partition(": ")[0]: one.reason for one in manifest.rejected}
    assert reasons == BAD
    assert all(one.detail.partition(": ")[2] for one in manifest.rejected)

    rows = join(run, ["ingest"], 0).rows.values()
    found = {row.get("source", "Source").file: row.get("image", "Photo") for row in rows}
    assert sorted(found) == sorted([*ODD, *GOOD])
    assert {image.shape for image in found.values()} == {(32, 32, 3)}
    assert (found["deep.png"] == 128).all() and (found["float.tif"] == 128).all()
    assert (found["b.png"] == found["clear.png"]).all()
    assert (found["a.jpg"] == found["Grüße.JPG"]).all()
    assert (found["a.jpg"] == found["exif.jpg"]).all()
    assert (found["moving.webp"] == found["b.png"]).all()


@pytest.mark.parametrize("ai_share", [0, 0.5])
def test_a_folder_of_nothing_but_bad_pictures_ends_with_the_reasons(
    configured: Callable[..., Config], tmp_path: Path, ai_share: float
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(3):
        (photos / f"{i}.jpg").write_bytes(b"no picture")
    listed = b'{"images": [{"id": 1, "file_name": "gone.jpg"}], "annotations": []}'
    (photos / "instances.json").write_bytes(listed)
    config = configured(samples=8, bases={"ai_share": ai_share})
    run = runs.begin(config, photos, tmp_path / "run")[1]
    done = command(run)
    assert done.returncode == 78 and "Traceback" not in done.stderr
    assert f"{photos} can be used (3 unreadable-image, 1 missing-file): give" in done.stderr
    assert not run.committed("ingest", 0)


def test_a_shard_of_nothing_but_bad_pictures_still_ends_well(
    configured: Callable[..., Config], tmp_path: Path, photo: Image.Image
) -> None:
    """The one good photograph of the folder is another shard's."""
    photos = tmp_path / "photos"
    photos.mkdir()
    photo.save(photos / "good.png")
    for i in range(7):
        (photos / f"{i}.jpg").write_bytes(b"no picture")
    config = configured(samples=8, shard_size=4, bases={"ai_share": 0})
    run = runs.begin(config, photos, tmp_path / "run")[1]
    done = command(run)
    assert done.returncode == 0, done.stderr
    found = [run.manifest("ingest", shard).counts() for shard in range(2)]
    assert sorted(one["out"] for one in found) == [0, 1]


def test_photographs_that_change_while_a_run_goes_on_reach_no_shard(
    configured: Callable[..., Config], tmp_path: Path, photo: Image.Image
) -> None:
    """The split is drawn over all photographs: another one more, and they change sides."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(4):
        photo.save(photos / f"{i}.png")
    config = configured(samples=8, shard_size=4, bases={"ai_share": 0})
    run = runs.begin(config, photos, tmp_path / "run")[1]
    assert command(run, "0/2").returncode == 0
    photo.save(photos / "new.png")
    done = command(run, "1/2")
    assert done.returncode == 78 and not run.committed("ingest", 1)
    assert f"the photographs in {photos} are not those" in done.stderr
    assert "another --out" in done.stderr
    (photos / "new.png").unlink()
    assert command(run, "1/2").returncode == 0
