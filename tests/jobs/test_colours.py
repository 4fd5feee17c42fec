"""Colours get the names that people would give them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from jobs.colours import NAMES, name_index, named_pixels


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"), ((220, 20, 60), "red"), ((255, 0, 20), "red"),
        ((255, 165, 0), "orange"), ((255, 255, 0), "yellow"), ((255, 215, 0), "yellow"),
        ((0, 255, 0), "green"), ((34, 139, 34), "green"), ((0, 100, 0), "green"),
        ((0, 0, 255), "blue"), ((135, 206, 235), "blue"), ((0, 0, 128), "blue"),
        ((128, 0, 128), "purple"), ((139, 69, 19), "brown"), ((101, 67, 33), "brown"),
        ((255, 192, 203), "pink"), ((255, 182, 193), "pink"),
        ((255, 255, 255), "white"), ((240, 240, 235), "white"),
        ((128, 128, 128), "grey"), ((0, 0, 0), "black"), ((20, 10, 15), "black"),
    ],
)  # fmt: skip
def test_a_colour_has_its_name(rgb: tuple[int, int, int], name: str) -> None:
    assert NAMES[name_index(np.array([[rgb]], np.uint8))[0, 0]] == name


def test_every_name_is_some_colours() -> None:
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    every = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    assert set(name_index(every).tolist()) == set(range(len(NAMES)))


@given(arrays(np.uint8, (7, 5, 3)))
def test_every_pixel_has_exactly_one_name(image: np.ndarray) -> None:
    planes = named_pixels(image)
    assert (sum(plane.astype(int) for plane in planes.values()) == 1).all()
    assert all(plane.any() for plane in planes.values()) and set(planes) <= set(NAMES)


@given(arrays(np.uint8, (6, 4, 3)))
def test_a_pixels_name_does_not_depend_on_its_neighbours(image: np.ndarray) -> None:
    alone = [
        [int(name_index(image[y : y + 1, x : x + 1])[0, 0]) for x in range(4)] for y in range(6)
    ]
    assert name_index(image).tolist() == alone
