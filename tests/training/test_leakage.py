"""What would let a detector know the answer without looking is refused."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import codecs, png
from pipeline.batches import members
from pipeline.documents import Real, Sample, Score, Source
from pipeline.errors import InputError
from pipeline.records import Assembled, Unedited
from pipeline.shards import RunFolder
from pipeline.writer import Writer
from training import leakage
from training.cache import open_cache

if TYPE_CHECKING:
    from tests.training.conftest import Runs

FACTS = {"config": "", "code": "", "model": "", "seeds": ""}


def assembled(run: RunFolder, split: str, keys: dict[str, str]) -> None:
    """A shard of samples, key -> source."""
    blank = np.zeros((32, 32, 3), np.uint8)
    with Writer(run, f"assemble-{split}", 0) as writer:
        for key, source_id in keys.items():
            source = Source.model_validate({"source_id": source_id, "split": split, "base": "real"})
            sample = Sample(source=source, regions=(), planned=1, edits=(), score=Score(score=4))
            writer.add(key, members(Assembled(blank, blank[..., 0], blank[..., 0], sample)))
        writer.commit([*keys], [], {}, FACTS, {})


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_source_on_both_sides_is_named(runs: Runs, split: str) -> None:
    run, config = runs.make(samples=8)
    other = RunFolder(runs.folder / "other")
    assembled(other, "train", {"00000000": "a", "00000001": "b"})
    assembled(other, "val", {"00000002": "c", "00000003": "b"})
    config = config.model_copy(update={"samples": 4})
    message = r"1 sources lie in train and in val, such as 'b' \(samples 00000001 and 00000003\)"
    with pytest.raises(InputError, match=message):
        open_cache(other, config, split, 32)  # type: ignore[arg-type]
    assert open_cache(run, config, split, 32).keys  # type: ignore[arg-type]


def test_an_unedited_photograph_of_the_other_side_is_found_too(runs: Runs) -> None:
    run, config = runs.make(samples=4, unedited=1)
    run.tar(run.manifest("reals", 0)).unlink()
    run.manifest_path("reals", 0).unlink()
    image, mask = runs.picture(1, 64)
    real = Real(source=Source(source_id="00000003", split="train", base="real"), part="unedited")
    with Writer(run, "reals", 0) as writer:
        writer.add("00000004", members(Unedited(image, np.zeros_like(mask), real)))
        writer.commit(["00000004"], [], {}, FACTS, {})
    with pytest.raises(InputError, match=r"such as '00000003' \(samples 00000004 and 00000003\)"):
        open_cache(run, config, "train", 32)


def saved(photo: np.ndarray, **how: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(photo).save(out, **how)  # type: ignore[arg-type]
    return out.getvalue()


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(0, 99))
def test_our_encoder_is_told_from_others(side: int, seed: int) -> None:
    photo = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    ours = png.encode(photo)
    assert leakage.ours(ours) and ours == codecs.encode("Photo", photo)
    assert not leakage.ours(ours[:-20]) and not leakage.ours(ours[8:]) and not leakage.ours(b"")
    assert not leakage.ours(saved(photo, format="WEBP", lossless=True))
    smooth = np.add.outer(np.arange(side), np.arange(side))[..., None].repeat(3, 2)
    for picture in (photo, (smooth % 256).astype(np.uint8), photo[..., 0]):
        assert not leakage.ours(saved(picture, format="PNG"))


def test_edited_and_unedited_pictures_must_be_of_one_encoder(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config = runs.make(samples=4, unedited=2)
    run.tar(run.manifest("reals", 0)).unlink()
    run.manifest_path("reals", 0).unlink()
    with monkeypatch.context() as patched:
        patched.setattr(png, "encode", lambda photo: saved(photo, format="PNG"))
        runs.write_reals(run, config, 0, 64)
    with pytest.raises(InputError, match=r"reals, sample 00000004: its picture was not written by"):
        open_cache(run, config, "train", 32)
