"""What is random about a picture is its place in the stream, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from training import augment
from training.recipes import Recipe

torch = pytest.importorskip("torch")
DRAW = np.random.default_rng(3)
#: Smooth, so that resampling has something to be right about.
SMALL = DRAW.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
IMAGES = np.stack([
    np.asarray(Image.fromarray(one).resize((40, 40), Image.Resampling.BICUBIC)) for one in SMALL
])  # fmt: skip
MASKS = np.zeros((6, 40, 40), np.uint8)
MASKS[:, 10:30, 5:20] = 3
MASKS[:, 0:15, 25:40] = 200
ROWS = np.arange(6)


def recipe(**values: object) -> Recipe:
    known = {"source": "", "encoder": "", "learning_rate": 1.0, "steps": 1, "batch": 4, **values}
    return Recipe(**known)  # type: ignore[arg-type]


VAINF = recipe(scale=(0.5, 2.0), crop=32)


def fixed(**columns: float) -> augment.Chances:
    """One row of chances, 0.5 where nothing is said: no mirror, the middle."""
    row = np.full((1, 8), 0.5)
    for name, value in columns.items():
        row[0, getattr(augment, name)] = value
    return row


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**62), st.integers(0, 10**9), st.floats(0.1, 1.0), st.floats(1.0, 4.0),
       st.integers(1, 80))  # fmt: skip
def test_the_same_key_gives_the_same_bytes_alone_and_in_company(
    stream: int, place: int, low: float, high: float, crop: int
) -> None:
    how = recipe(scale=(low, high), crop=crop)
    together = augment.chances(stream, np.arange(place, place + 6))
    images, masks = augment.windows(IMAGES, MASKS, ROWS, together, how)
    assert images.shape == (6, crop, crop, 3) and masks.shape == (6, crop, crop)
    assert set(np.unique(masks)) <= {0, 3, 200, 255}, "nearest invents no label"
    for i in (0, 5):
        alone = augment.chances(stream, np.array([place + i]))
        image, mask = augment.windows(IMAGES, MASKS, ROWS[i : i + 1], alone, how)
        assert np.array_equal(image[0], images[i]) and np.array_equal(mask[0], masks[i])


def test_places_and_streams_differ_and_half_the_pictures_are_mirrored() -> None:
    one, other = augment.chances(1, np.arange(400)), augment.chances(2, np.arange(400))
    assert not (one == other).any() and len(np.unique(one)) == one.size
    assert 160 < (one[:, augment.FLIP] < 0.5).sum() < 240


def test_nothing_global_is_asked_or_changed() -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    first = augment.windows(IMAGES, MASKS, ROWS, augment.chances(7, ROWS), VAINF)
    np.random.seed(2)
    torch.manual_seed(2)
    again = augment.windows(IMAGES, MASKS, ROWS, augment.chances(7, ROWS), VAINF)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    np.random.seed(1)
    torch.manual_seed(1)
    augment.pictures(IMAGES, augment.chances(7, ROWS), recipe(blur=1, jpeg=1))
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_without_a_recipe_for_it_only_the_mirror_is_left() -> None:
    images, masks = augment.windows(IMAGES, MASKS, ROWS[:1], fixed(FLIP=0.9), recipe())
    assert np.array_equal(images[0], IMAGES[0]) and np.array_equal(masks[0], MASKS[0])
    images, masks = augment.windows(IMAGES, MASKS, ROWS[:1], fixed(FLIP=0.1), recipe())
    assert np.array_equal(images[0], IMAGES[0, :, ::-1])
    assert np.array_equal(masks[0], MASKS[0, :, ::-1])
    images, _ = augment.windows(IMAGES, MASKS, ROWS[:1], fixed(FLIP=0.1), recipe(flip=False))
    assert np.array_equal(images[0], IMAGES[0])


def test_a_small_picture_lies_in_the_middle_of_the_mean_colour() -> None:
    how = recipe(scale=(0.5, 2.0), crop=40)
    images, masks = augment.windows(IMAGES, MASKS, ROWS[:1], fixed(SCALE=0.0), how)
    around = np.ones((40, 40), np.bool_)
    around[10:30, 10:30] = False
    assert (masks[0][around] == 255).all() and not (masks[0][~around] == 255).any()
    assert (images[0][around] == [124, 116, 104]).all()
    normal = augment.to_network(images, torch.device("cpu"), how)
    assert abs(normal[0][:, torch.from_numpy(around)]).max() < 0.02
    expected = np.asarray(Image.fromarray(IMAGES[0]).resize((20, 20), Image.Resampling.BILINEAR))
    assert abs(images[0, 10:30, 10:30].astype(int) - expected).max() <= 1
    assert np.array_equal(masks[0, 10:30, 10:30], MASKS[0, 1::2, 1::2])


def test_a_large_picture_is_cut_at_the_drawn_place() -> None:
    how = recipe(scale=(1.0, 1.0), crop=16)
    images, masks = augment.windows(IMAGES, MASKS, ROWS[:1], fixed(TOP=0.0, LEFT=0.999), how)
    assert np.array_equal(images[0], IMAGES[0, :16, 24:])
    assert np.array_equal(masks[0], MASKS[0, :16, 24:])
    doubled, _ = augment.windows(IMAGES, MASKS, ROWS[:1], fixed(SCALE=1.0, TOP=0, LEFT=0), VAINF)
    expected = Image.fromarray(IMAGES[0, :16, :16]).resize((32, 32), Image.Resampling.BILINEAR)
    assert abs(doubled[0].astype(int) - np.asarray(expected)).max() <= 1


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 90), st.integers(1, 90))
def test_sizes_are_as_pillow_makes_them(side: int, to: int) -> None:
    image = np.resize(IMAGES[1], (side, side, 3))
    expected = np.asarray(Image.fromarray(image).resize((to, to), Image.Resampling.BILINEAR))
    assert abs(augment.resize(image, to).astype(int) - expected).max() <= 1
    mask = np.resize(MASKS[1], (side, side))
    wanted = np.asarray(Image.fromarray(mask).resize((to, to), Image.Resampling.NEAREST))
    clear = (2 * np.arange(to) + 1) * side % (2 * to) != 0  # else the middle is on a border
    assert np.array_equal(augment.nearest(mask, to)[clear][:, clear], wanted[clear][:, clear])


def test_blur_is_a_gaussian() -> None:
    for sigma in (0.3, 1.0, 3.0):
        wanted = gaussian_filter(IMAGES[0].astype(np.float64), (sigma, sigma, 0))
        assert abs(augment.blurred(IMAGES[0], sigma) - wanted).max() <= 0.51
    assert np.array_equal(augment.blurred(IMAGES[0], 0.0), IMAGES[0])


def test_the_image_task_sees_load_then_blur_then_jpeg_then_a_crop() -> None:
    how = recipe(load=32, crop=24, blur=0.5, jpeg=0.5)
    chance = fixed(BLUR=0.1, SIGMA=0.4, JPEG=0.1, QUALITY=0.0, TOP=0.0, LEFT=0.0)
    expected = augment.jpeg(augment.blurred(augment.resize(IMAGES[0], 32), 1.2), 30)[:24, :24]
    assert np.array_equal(augment.pictures(IMAGES[:1], chance, how)[0], expected)
    clean = fixed(BLUR=0.9, JPEG=0.9, FLIP=0.1)
    found = augment.pictures(IMAGES[:1], clean, how)[0]
    assert np.array_equal(found, augment.resize(IMAGES[0], 32)[4:28, 4:28][:, ::-1])
    judged = augment.plain(IMAGES, how)
    assert judged.shape == (6, 24, 24, 3)
    assert np.array_equal(judged[2], augment.resize(IMAGES[2], 32)[4:28, 4:28])


def test_qualities_are_from_30_to_100(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    monkeypatch.setattr(augment, "jpeg", lambda image, quality: asked.append(quality) or image)
    rows = np.concatenate([fixed(JPEG=0, QUALITY=value) for value in (0.0, 0.5, 0.9999999)])
    augment.pictures(IMAGES[:3], rows, recipe(jpeg=1.0))
    assert asked == [30, 65, 100]


def test_a_real_batch_is_blurred_and_compressed_as_often_as_the_recipe_says() -> None:
    many = np.repeat(IMAGES[:1], 200, axis=0)
    chances = augment.chances(4, np.arange(200))
    blurred = augment.pictures(many, chances, recipe(blur=0.1, flip=False))
    assert 8 <= sum(not np.array_equal(one, IMAGES[0]) for one in blurred) <= 35


def test_networks_get_what_their_recipe_says() -> None:
    images = np.zeros((1, 2, 3, 3), np.uint8)
    images[0, 1, 2] = (255, 0, 128)
    found = augment.to_network(images, torch.device("cpu"), recipe())
    assert (found.shape, found.dtype) == ((1, 3, 2, 3), torch.float32)
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (128 / 255 - 0.406) / 0.225]
    assert found[0, :, 1, 2].tolist() == pytest.approx(expected, rel=1e-5)
    caffe = recipe(mean=(104.0, 116.5, 122.5), std=(1.0, 1.0, 1.0), bgr=True, crop=4,
                   scale=(0.5, 0.5))  # fmt: skip
    found = augment.to_network(images, torch.device("cpu"), caffe)
    assert found[0, :, 1, 2].tolist() == [24.0, -116.5, 132.5]
    padded, _ = augment.windows(IMAGES[:, :4, :4], MASKS[:, :4, :4], ROWS[:1], fixed(), caffe)
    assert padded[0, 0, 0].tolist() == [122, 116, 104]
