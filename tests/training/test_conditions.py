"""Distortions: the same bytes every time, what each does to a picture, and what to its mask."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from training import conditions
from training.conditions import SEVERITY, STORED, TABLE3, condition

Bytes = NDArray[np.uint8]
ALL = tuple(dict.fromkeys((*TABLE3, *STORED, *SEVERITY)))


def picture(size: int = 64, seed: int = 0) -> Bytes:
    """Smooth colours with a hard-edged square, so that every distortion has something to change."""
    y, x = np.mgrid[:size, :size]
    image = np.stack([x * 2, y * 2, (x + y)], axis=2) % 256
    image[size // 4 : size // 2, size // 4 : size // 2] = np.random.default_rng(seed).integers(
        0, 256, (size // 4, size // 4, 3)
    )
    return image.astype(np.uint8)


def mask(size: int = 64) -> Bytes:
    return (np.arange(size * size).reshape(size, size) * 7 // size % 9).astype(np.uint8)


@pytest.mark.parametrize("name", ALL)
def test_every_condition_gives_the_same_bytes_twice_at_its_size(name: str) -> None:
    one, image = condition(name), picture()
    before = image.copy()
    first, labels = one.apply(image, mask(), 64, "00000007", 30)
    again, _ = one.apply(image, mask(), 64, "00000007", 30)
    size = one.size(64)
    assert first.shape == (size, size, 3) and labels.shape == (size, size)
    assert first.dtype == labels.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.array_equal(image, before)
    assert set(np.unique(labels)) <= set(np.unique(mask()))
    if name != "clean" and size == 64:
        assert not np.array_equal(first, image)


@pytest.mark.parametrize("quality", [50, 60, 80, 95])
def test_jpeg_is_that_of_a_file_of_exact_quality_with_halved_colours(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "JPEG", quality=quality, subsampling=2)
    with Image.open(file) as read:
        expected = np.asarray(read)
        assert [sampling[1:3] for sampling in read.layer] == [(2, 2), (1, 1), (1, 1)]
    found, labels = condition(f"jpeg-{quality}").apply(picture(), mask(), 64, "k", 1)
    assert np.array_equal(found, expected)
    assert np.array_equal(labels, mask())


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_lower_quality_is_further_from_the_picture(kind: str) -> None:
    errors = [
        np.abs(condition(f"{kind}-{q}").distort(picture(), "k", 1).astype(int) - picture()).mean()
        for q in (95, 80, 50)
    ]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_blur_is_the_gaussian_of_its_kernel() -> None:
    """A single white pixel becomes the kernel itself: for 3 pixels OpenCV's sigma is 0.8."""
    image = np.zeros((9, 9, 3), np.uint8)
    image[4, 4] = 255
    row = np.exp(-0.5 * (np.array([-1, 0, 1]) / 0.8) ** 2)
    row /= row.sum()
    found = conditions.blur(image, 3)
    assert np.array_equal(found[3:6, 3:6, 0], np.rint(255 * np.outer(row, row)))
    assert found.sum() == found[3:6, 3:6].sum()
    flat = np.full((16, 16, 3), 77, np.uint8)
    assert np.array_equal(conditions.blur(flat, 9), flat)


def test_noise_is_keyed_by_the_sample_and_has_its_deviation() -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    one, other = (condition("noise-15").distort(grey, key, 30) for key in ("00000001", "00000002"))
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, condition("noise-15").distort(grey, "00000001", 31))
    assert np.std(one.astype(float)) == pytest.approx(15, rel=0.02)
    assert np.mean(one) == pytest.approx(128, abs=0.3)


def test_rescaling_a_flat_picture_changes_nothing_and_an_edge_is_softened() -> None:
    flat = np.full((33, 33, 3), 9, np.uint8)
    assert np.array_equal(conditions.rescale(flat, 0.5), flat)
    assert np.array_equal(conditions.rescale(flat, 2), flat)
    assert conditions.rescale(picture(), 0.5).shape == (64, 64, 3)


def test_a_chain_of_resaves_is_one_jpeg_of_another() -> None:
    chain = conditions.jpeg(conditions.jpeg(conditions.jpeg(picture(), 95), 85), 75)
    assert np.array_equal(condition("resave-3").distort(picture(), "k", 1), chain)


def test_a_crop_is_the_middle_of_picture_and_mask() -> None:
    image, labels = picture(128), mask(128)
    found, cut = condition("crop-0.75").apply(image, labels, 128, "k", 1)
    assert np.array_equal(found, image[16:112, 16:112])
    assert np.array_equal(cut, labels[16:112, 16:112])


@given(st.integers(2, 64).map(lambda n: n * 16), st.floats(0.1, 1))
def test_a_crop_is_a_side_that_networks_take(network: int, share: float) -> None:
    side = conditions.Condition("", "crop", share).size(network)
    assert side % 32 == 0
    assert 32 <= side <= max(network, 32)


def test_another_input_size_is_taken_from_the_stored_picture() -> None:
    image, labels = picture(200), mask(200)
    one = condition("resize-256")
    assert one.from_stored
    found, at = one.apply(image, labels, 64, "k", 1)
    resized = Image.fromarray(image).resize((256, 256), Image.Resampling.BILINEAR)
    assert np.array_equal(found, np.asarray(resized))
    nearest = Image.fromarray(labels).resize((256, 256), Image.Resampling.NEAREST)
    assert np.array_equal(at, np.asarray(nearest))


def test_the_other_reading_compresses_before_the_input_is_made() -> None:
    image, labels = picture(200), mask(200)
    found, _ = condition("jpeg-60-stored").apply(image, labels, 64, "k", 1)
    expected, _ = conditions.fit(conditions.jpeg(image, 60), labels, 64)
    assert np.array_equal(found, expected)
    at_input, _ = condition("jpeg-60").apply(*conditions.fit(image, labels, 64), 64, "k", 1)
    assert not np.array_equal(found, at_input)


@pytest.mark.parametrize(
    "name",
    ["", "jpeg", "clean-3", "gif-50", "jpeg--60", "jpeg-60-stored-2", "JPEG-60", "crop",
     "crop-0.5-stored", "resize-256-stored", "clean-stored"],
)  # fmt: skip
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no condition"):
        condition(name)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([name for name in ALL if condition(name).kind != "resize"]),
       st.integers(0, 2**32 - 1))  # fmt: skip
def test_no_distortion_moves_the_mask(name: str, number: int) -> None:
    one, labels = condition(name), mask()
    image = np.random.default_rng(number).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    first = (64 - one.size(64)) // 2
    assert np.array_equal(
        one.apply(image, labels, 64, "k", 1)[1],
        labels[first : first + one.size(64), first : first + one.size(64)],
    )
