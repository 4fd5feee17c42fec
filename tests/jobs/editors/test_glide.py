"""What only GLIDE has: known pixels that stay known, and an upsampler."""

import shutil
from pathlib import Path

import numpy as np

from jobs.editors import Settings
from jobs.editors.glide import load
from jobs.tiny.cache import ensure


def test_known_pixels_survive_at_the_native_size(tiny_root: Path) -> None:
    editor = load(ensure("glide", tiny_root), Settings(steps=2))
    photograph = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), np.bool_)
    mask[16:40, 16:40] = True
    (made,) = editor.inpaint([photograph], [mask], ["a cat"], [1])
    assert made.pixels is not None
    assert np.array_equal(made.pixels[~mask], photograph[~mask])
    assert (made.pixels[mask] != photograph[mask]).mean() > 0.9


def test_an_upsampler_is_used_where_there_is_one(tiny_root: Path, tmp_path: Path) -> None:
    from jobs.tiny.glide import UPSAMPLER, stage

    plain = ensure("glide", tiny_root)
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    stage(tmp_path / "glide-inpaint" / "upsampler", UPSAMPLER, seed=9)
    photograph = np.full((128, 128, 3), 90, np.uint8)
    mask = np.zeros((128, 128), np.bool_)
    mask[32:64, 32:64] = True
    (with_it,) = load(tmp_path, Settings(steps=1)).inpaint([photograph], [mask], ["a cat"], [1])
    (without,) = load(plain, Settings(steps=1)).inpaint([photograph], [mask], ["a cat"], [1])
    assert with_it.pixels is not None and without.pixels is not None
    assert np.array_equal(with_it.pixels[~mask], photograph[~mask])
    assert not np.array_equal(with_it.pixels[mask], without.pixels[mask])
