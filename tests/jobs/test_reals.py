"""Photographs that nobody edits: made as base pictures are, and from no sample's photograph."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from jobs import reals, reserve
from jobs.bases import bases, untouched
from jobs.coco import Photo, Photographs, read_photographs
from jobs.ingest import _one as ingest_one
from pipeline import config as configs
from pipeline import runs
from pipeline.batches import members
from pipeline.config import Config, Imported
from pipeline.documents import Real
from pipeline.errors import ConfigError, InputError
from pipeline.records import Reject, Sourced, Unedited
from pipeline.shards import join

DATA = Path(__file__).parent.parent / "data"
STANDIN = configs.load(str(DATA / "standin.yaml"))


def photographs(train: int, val: int) -> Photographs:
    names = [f"p{i}" for i in range(train + val)]
    return Photographs(
        photos={name: Photo(Path(name), name) for name in names},
        split={name: "val" if i < val else "train" for i, name in enumerate(names)},
    )


def asked(samples: int, unedited: int, negatives: int, crops: str = "random") -> Config:
    known = STANDIN.model_dump(mode="json")
    known |= {"samples": samples, "reals": {"unedited": unedited, "negatives": negatives}}
    known["bases"] |= {"crops": crops}
    return Config.model_validate(known)


def used(config: Config, found: Photographs) -> set[str]:
    """The photographs of the samples."""
    return {
        base.source_id
        for shard in range(config.shards)
        for _, base in bases(config, found, config.keys(shard))
    }


def parts(config: Config, found: Photographs) -> list[tuple[str, str, str]]:
    """(part, split, photograph) of each unedited picture, in order of keys."""
    return [
        (part, base.split, base.source_id)
        for shard in range(config.real_shards)
        for _, part, base in untouched(config, found, config.real_keys(shard))
    ]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 60), st.integers(0, 30),
       st.integers(0, 30), st.sampled_from(["random", "centre"]))  # fmt: skip
def test_no_photograph_is_taken_for_both_whatever_there_is(
    train: int, val: int, samples: int, unedited: int, negatives: int, crops: str
) -> None:
    assume(unedited + negatives)
    config, found = asked(samples, unedited, negatives, crops), photographs(train, val)
    try:
        listed = parts(config, found)
    except ConfigError as error:
        assert f"{unedited} unedited and {negatives} negatives" in str(error)
        enough = samples + unedited + negatives <= train + val
        assert (train < 3 or val < 2) if crops == "random" else not enough or negatives
        return
    by_part = {
        part: {one for p, _, one in listed if p == part} for part in ("unedited", "negative")
    }
    assert not by_part["unedited"] & by_part["negative"]
    assert not used(config, found) & {one for _, _, one in listed}
    assert all(found.split[one] == split for _, split, one in listed)
    assert [part for part, _, _ in listed] == ["unedited"] * unedited + ["negative"] * negatives
    assert {split for part, split, _ in listed if part == "unedited"} <= {"train"}
    inside = sum(split == "val" for _, split, _ in listed)
    assert abs(inside - 0.2 * negatives) <= 1 and (inside > 0) == (negatives > 1)
    if crops == "centre":
        assert len({one for _, _, one in listed}) == len(listed)


def test_samples_stay_what_they_are_as_long_as_there_are_enough_photographs() -> None:
    found = photographs(40, 10)
    alone, beside = asked(20, 0, 0), asked(20, 8, 10)
    for shard in range(alone.shards):
        keys = alone.keys(shard)
        assert bases(alone, found, keys) == bases(beside, found, keys)
    assert len({one for _, _, one in parts(beside, found)}) == 18


def test_few_photographs_are_shared_out_in_proportion() -> None:
    config, found = asked(90, 10, 20), photographs(40, 8)
    pools = reserve.reserve(config, found).pools
    assert {which: len(pool) for which, pool in pools.items()} == {
        ("unedited", "train"): 4, ("negative", "train"): 6, ("negative", "val"): 2,
    }  # fmt: skip
    assert len(used(config, found)) == 36
    count = Counter(one for part, _, one in parts(config, found) if part == "unedited")
    assert sorted(count.values()) == [2, 2, 3, 3], "every one is used before one is used again"


def test_the_nine_sample_photographs_are_enough_for_the_machinery() -> None:
    config = asked(96, 8, 24)
    found = read_photographs(DATA / "photos", config)
    pools = reserve.reserve(config, found).pools
    assert {which: len(pool) for which, pool in pools.items()} == {
        ("unedited", "train"): 1, ("negative", "train"): 1, ("negative", "val"): 1,
    }  # fmt: skip
    assert len(used(config, found)) == 6


def test_samples_of_an_imported_dataset_need_no_photograph() -> None:
    config, found = asked(500, 8, 10, "centre"), photographs(16, 2)
    imported = config.model_copy(update={"imported": Imported(dataset="diffseg30k")})
    assert len({one for _, _, one in parts(imported, found)}) == 18
    with pytest.raises(ConfigError, match="beside 500 samples, but there are 18 photographs"):
        parts(config, found)


def test_the_answer_does_not_depend_on_the_shard_that_is_asked() -> None:
    config, found = asked(20, 9, 14), photographs(9, 4)
    whole = parts(config, found)
    for shard in reversed(range(config.real_shards)):
        keys = config.real_keys(shard)
        again = untouched(config, found, keys)
        first = int(keys[0]) - config.samples
        assert [(part, base.split, base.source_id) for _, part, base in again] == whole[
            first : first + len(keys)
        ]


def test_too_few_photographs_are_said_with_the_numbers() -> None:
    said = (
        r"reals: 5 unedited and 6 negatives are asked for beside 20 samples, but there are 30 "
        r"photographs \(24 in train, 6 in val\) and a centre crop makes one of each: give more "
        r"photographs, or lower reals or samples, or set bases.crops to random"
    )
    with pytest.raises(ConfigError, match=said):
        bases(asked(20, 5, 6, "centre"), photographs(24, 6), asked(20, 5, 6).keys(0))
    with pytest.raises(ConfigError, match="val has 1 photographs and needs 2 at least"):
        parts(asked(20, 5, 6), photographs(24, 1))
    with pytest.raises(ConfigError, match="train has 2 photographs and needs 3 at least"):
        parts(asked(20, 5, 6), photographs(2, 8))


@pytest.fixture
def folder(tmp_path: Path, photo: Image.Image) -> Path:
    (tmp_path / "photos").mkdir()
    for i in range(10):
        photo.rotate(90 * (i % 4), expand=True).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


def made(config: Config, folder: Path) -> list[Unedited | Reject[Unedited]]:
    found = read_photographs(folder, config)
    return [
        one for shard in range(config.real_shards)
        for one in reals.reals(config, found, config.real_keys(shard))
    ]  # fmt: skip


@pytest.mark.parametrize("crops", ["centre", "random"])
def test_a_picture_is_made_as_a_base_of_the_same_key_would_be(
    configured: Callable[..., Config], folder: Path, crops: str
) -> None:
    """The only difference between the classes is the edit."""
    rules = {"ai_share": 0, "crops": crops, "resolution": 32, "annotations": False}
    config = configured(samples=3, bases=rules, reals={"unedited": 2, "negatives": 4})
    found, keys = read_photographs(folder, config), config.real_keys(0)
    taken = [(key, base) for key, _, base in untouched(config, found, keys)]
    for (key, base), one in zip(taken, made(config, folder), strict=True):
        assert isinstance(one, Unedited) and one.image.shape == (32, 32, 3)
        assert one.mask.shape == (32, 32) and not one.mask.any() and one.mask.dtype == np.uint8
        sample = ingest_one(config, found, key, base)
        assert isinstance(sample, Sourced) and sample.image is not None
        assert sample.source == one.real.source and np.array_equal(sample.image, one.image)
        assert members(sample)[1] == ("image.png", dict(members(one))["image.png"])


def test_a_bad_picture_costs_no_other(configured: Callable[..., Config], folder: Path) -> None:
    config = configured(samples=3, bases={"crops": "centre"}, reals={"unedited": 3, "negatives": 2})
    gone = made(config, folder)[1]
    assert isinstance(gone, Unedited)
    (folder / gone.real.source.file).write_bytes(b"no picture")
    results = made(config, folder)
    assert [isinstance(one, Reject) for one in results] == [False, True, False, False, False]
    assert isinstance(results[1], Reject) and results[1].reason == "unreadable-image"
    assert results[1].detail.startswith(gone.real.source.file)


def test_the_stage_commits_its_own_shards(
    configured: Callable[..., Config], folder: Path, tmp_path: Path
) -> None:
    config = configured(samples=3, shard_size=4, bases={"crops": "centre", "resolution": 32},
                        reals={"unedited": 2, "negatives": 4})  # fmt: skip
    _, run = runs.begin(config, folder, tmp_path / "run")
    for partition in ("1/2", "0/2"):
        assert reals.main(["--run", str(run.path), f"--partition={partition}"]) == 0
    rows = {key: row for shard in range(2) for key, row in join(run, ["reals"], shard).rows.items()}
    assert list(rows) == [f"{i:08d}" for i in range(3, 9)]
    found: list[Real] = [row.get("real", "Real") for row in rows.values()]
    assert [one.part for one in found] == ["unedited"] * 2 + ["negative"] * 4
    assert [one.source.split for one in found].count("val") == 1
    assert run.manifest("reals", 1).ids_in == ("00000007", "00000008")


def test_a_folder_in_which_nothing_can_be_used_is_no_quarantine(
    configured: Callable[..., Config], folder: Path, tmp_path: Path
) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"no picture")
    config = configured(samples=3, reals={"unedited": 2, "negatives": 2})
    _, run = runs.begin(config, folder, tmp_path / "run")
    with pytest.raises(InputError, match="not one photograph in .* can be used"):
        reals.main(["--run", str(run.path)])
    assert not run.committed("reals", 0)
