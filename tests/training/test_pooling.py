"""One number a picture, from its map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import pooling


def test_the_upper_hundredth_of_the_probabilities() -> None:
    """Of 20 x 20 pixels the four highest: 0.9, 0.8, 0.7 and one of 0.1."""
    chances = np.full((2, 20, 20), 0.1, np.float32)
    chances[0, 3, 3:6] = 0.9, 0.7, 0.8
    assert pooling.top(chances) == pytest.approx([0.625, 0.1])


def test_a_map_of_few_pixels_has_its_highest() -> None:
    chances = np.array([[[0.2, 0.6], [0.1, 0.3]]], np.float32)
    assert pooling.top(chances) == pytest.approx([0.6])


def test_the_share_of_pixels_called_edited_by_anyone() -> None:
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[1, 0, 0], labels[2, :2] = 7, 1
    assert pooling.share(labels).tolist() == [0.0, 1 / 16, 0.5]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_the_upper_hundredth_is_that_of_the_sorted_pixels(seed: int, side: int) -> None:
    chances = np.random.default_rng(seed).random((2, side, side), np.float32)
    count = max(1, round(0.01 * side * side))
    ordered = np.sort(chances.reshape(2, -1))[:, -count:]
    assert pooling.top(chances) == pytest.approx(ordered.astype(np.float64).mean(axis=1))
