"""Photographs in, square pictures with provenance out; a bad one costs no other sample."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobs.coco import read_photographs
from jobs.ingest import Folder, ingest
from pipeline import runs
from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.records import Reject, Sourced
from pipeline.stage import context


@pytest.fixture
def centred(configured: Callable[..., Config]) -> Config:
    """One centre crop of each of six photographs; none made by AI."""
    return configured(
        samples=6, shard_size=6, bases={"ai_share": 0, "crops": "centre", "resolution": 40}
    )


@pytest.fixture
def folder(tmp_path: Path, photo: Image.Image) -> Path:
    """Four good photographs, a broken one and one that is not there."""
    for name in ("a.png", "b.png", "c.png"):
        photo.save(tmp_path / name)
    photo.save(tmp_path / "d.jpg", quality=80)
    (tmp_path / "e.jpg").write_bytes(b"no picture")
    return tmp_path


def annotate(folder: Path, segmentations: list[Any]) -> None:
    files = ["a.png", "b.png", "c.png", "d.jpg", "e.jpg", "gone.jpg"]
    data = {
        "images": [{"id": i, "file_name": name, "license": 1} for i, name in enumerate(files)],
        "annotations": [
            {"id": 10 + i, "image_id": 0, "category_id": i, "segmentation": segmentation}
            for i, segmentation in enumerate(segmentations)
        ],
        "categories": [
            {"id": i, "name": name} for i, name in enumerate(["dog", "person", "kite", "cup"])
        ],
        "licenses": [{"id": 1, "name": "CC BY"}],
    }
    (folder / "instances.json").write_text(json.dumps(data))


def ring(left: int, top: int, right: int, bottom: int) -> list[list[float]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def run(config: Config, folder: Path) -> dict[str, Sourced | Reject[Sourced]]:
    """By file name; a reject's file is the first word of its detail."""
    results = ingest(config, read_photographs(folder, config), config.keys(0))
    return {
        one.detail.partition(":")[0] if isinstance(one, Reject) else one.source.file: one
        for one in results
    }


def good(found: dict[str, Sourced | Reject[Sourced]], name: str) -> Sourced:
    one = found[name]
    assert isinstance(one, Sourced)
    return one


def test_a_bad_picture_costs_no_other_sample(centred: Config, folder: Path) -> None:
    annotate(folder, [])
    found = run(centred, folder)
    assert sorted(found) == ["a.png", "b.png", "c.png", "d.jpg", "e.jpg", "gone.jpg"]
    reasons = {name: one.reason for name, one in found.items() if isinstance(one, Reject)}
    assert reasons == {"e.jpg": "unreadable-image", "gone.jpg": "missing-file"}


def test_where_a_picture_comes_from_is_kept(
    centred: Config, folder: Path, photo: Image.Image
) -> None:
    annotate(folder, [])
    source = good(run(centred, folder), "d.jpg").source
    assert source.sha256 == hashlib.sha256((folder / "d.jpg").read_bytes()).hexdigest()
    assert (source.source_id, source.base, source.family) == ("3", "real", "")
    assert (source.size, source.crop, source.mode) == ((60, 40), (10, 0, 50, 40), "RGB")
    assert source.licence == "CC BY" and abs((source.jpeg_quality or 0) - 80) <= 3
    exact = good(run(centred, folder), "a.png")
    assert exact.source.jpeg_quality is None
    assert (exact.image == np.asarray(photo)[:, 10:50]).all()


def test_instances_follow_the_crop_largest_first(centred: Config, folder: Path) -> None:
    small, large, outside = ring(14, 4, 22, 12), ring(26, 8, 46, 32), ring(0, 0, 9, 39)
    annotate(folder, [small, large, outside])
    found = good(run(centred, folder), "a.png")
    assert [(one.name, one.category) for one in found.source.objects] == [
        ("person", "humans"), ("dog", "animals"),
    ]  # fmt: skip
    assert found.instances is not None and found.instances.shape == (2, 40, 40)
    assert found.instances[0][12:28, 20:32].all() and not found.instances[0][:, :14].any()
    assert found.instances[1][6:10, 6:10].all() and not found.instances[1][:, 14:].any()
    assert found.source.notes == ()


def test_annotations_without_a_usable_mask_are_noted_and_nothing_is_lost(
    centred: Config, folder: Path
) -> None:
    annotate(folder, [None, ring(20, 8, 40, 32), [], {"size": [4, 4], "counts": [0, 16]}])
    found = run(centred, folder)
    source = good(found, "a.png").source
    assert [one.name for one in source.objects] == ["person"]
    assert source.notes == tuple(
        f"annotation {number} ({name}) has no usable mask: ignored"
        for number, name in ((10, "dog"), (12, "kite"), (13, "cup"))
    )
    assert sum(isinstance(one, Sourced) for one in found.values()) == 4


def test_a_picture_without_instances_has_no_such_column(centred: Config, folder: Path) -> None:
    annotate(folder, [ring(0, 0, 5, 39)])
    found = good(run(centred, folder), "a.png")
    assert found.instances is None and found.source.objects == ()


def test_no_limit_of_size_lets_an_empty_mask_in(
    configured: Callable[..., Config], folder: Path
) -> None:
    annotate(folder, [ring(0, 0, 5, 39)])
    bases = {"ai_share": 0, "crops": "centre", "resolution": 40}
    config = configured(samples=6, shard_size=6, bases=bases, regions={"min_area": 0})
    assert good(run(config, folder), "a.png").instances is None


def test_annotations_can_be_left_out(configured: Callable[..., Config], folder: Path) -> None:
    annotate(folder, [ring(20, 8, 40, 32), None])
    bases = {"ai_share": 0, "crops": "centre", "resolution": 40, "annotations": False}
    found = good(run(configured(samples=6, shard_size=6, bases=bases), folder), "a.png")
    assert found.instances is None and found.source.objects == found.source.notes == ()


def test_an_ai_made_base_opens_no_picture(
    configured: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "e.jpg").write_bytes(b"no picture")
    config = configured(samples=6, shard_size=6, bases={"ai_share": 1})
    results = ingest(config, read_photographs(tmp_path, config), config.keys(0))
    for one in results:
        assert isinstance(one, Sourced) and one.image is None and one.instances is None
        assert (one.source.base, one.source.source_id) == ("ai", "e.jpg")
        assert one.source.family in config.families and one.source.caption


def test_random_crops_are_the_keys_and_the_seeds(
    configured: Callable[..., Config], tmp_path: Path, photo: Image.Image
) -> None:
    photo.resize((1200, 800)).save(tmp_path / "a.png")

    def crops(seed: int, shard: int) -> list[Any]:
        config = configured(seed=seed, samples=12, shard_size=6, bases={"ai_share": 0})
        results = ingest(config, read_photographs(tmp_path, config), config.keys(shard))
        return [one.source.crop for one in results if isinstance(one, Sourced)]

    assert crops(1, 0) == crops(1, 0)
    assert len({*crops(1, 0), *crops(1, 1)}) == 12, "every key has a crop of its own"
    assert not set(crops(1, 0)) & set(crops(2, 0))


@pytest.fixture
def begun(centred: Config, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder as a process of a run sees it."""
    out = tmp_path_factory.mktemp("out") / "run"
    config = centred.model_copy(update={"samples": 5})
    run = runs.begin(config, folder, out)[1]
    return Folder(context("jobs.ingest", ["--run", str(run.path)]))


def test_a_photograph_that_goes_away_at_work_is_no_quarantine(begun: Folder, folder: Path) -> None:
    (folder / "c.png").unlink()
    with pytest.raises(InputError, match="c.png is gone: put it back, or .* another --out"):
        begun.ingest(begun.config.keys(0))


def test_a_run_that_was_begun_anew_wants_no_shard_of_before(
    begun: Folder, folder: Path, photo: Image.Image
) -> None:
    photo.save(folder / "f.png")
    runs.begin(begun.config, folder, begun.run)
    with pytest.raises(InputError, match="are not those that the run in"):
        begun.ingest(begun.config.keys(0))


def test_without_a_run_to_compare_with_the_photographs_are_taken_as_they_are(
    begun: Folder, folder: Path, photo: Image.Image
) -> None:
    photo.save(folder / "f.png")
    (begun.run / "run.json").unlink()
    again = Folder(context("jobs.ingest", ["--run", str(begun.run)]))
    assert len(again.ingest(again.config.keys(0))) == 5


def test_what_is_left_out_is_said(
    begun: Folder, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotate(folder, [None, ring(20, 8, 40, 32)])
    data = json.loads((folder / "instances.json").read_bytes())
    data["images"] = data["images"][:5]
    data["annotations"] += [{"id": 77, "image_id": 99}]
    (folder / "instances.json").write_text(json.dumps(data))
    for name in ("x.gif", "y.GIF", "README"):
        (folder / name).write_bytes(b"x")
    runs.begin(begun.config, folder, begun.run)
    again = Folder(context("jobs.ingest", ["--run", str(begun.run)]))
    again.ingest(again.config.keys(0))
    said = capsys.readouterr().out
    assert "5 photographs; left out: files of other kinds (2 .gif, 1 without a suffix)" in said
    assert "annotations of images that are not listed (1)" in said
    assert "1 annotations have no usable mask: ignored" in said


def test_whom_to_credit_is_kept(centred: Config, folder: Path) -> None:
    annotate(folder, [])
    data = json.loads((folder / "instances.json").read_bytes())
    data["images"][3] |= {"author": "Ann Ö.", "url": "https://example.org/d"}
    (folder / "instances.json").write_text(json.dumps(data))
    found = run(centred, folder)
    source = good(found, "d.jpg").source
    assert (source.author, source.url, source.licence) == (
        "Ann Ö.", "https://example.org/d", "CC BY",
    )  # fmt: skip
    other = good(found, "a.png").source
    assert (other.author, other.url) == ("", "")
