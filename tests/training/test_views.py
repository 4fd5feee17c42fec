"""What a detector is shown: every picture once, in order, from the cache or as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from training.cache import open_cache
from training.conditions import fit, jpeg
from training.views import Views

if TYPE_CHECKING:
    from tests.training.conftest import Runs


@pytest.fixture
def views(runs: Runs) -> Views:
    """Of five samples of val, stored at 64 px and shown at 32, and two negatives."""
    run, config = runs.make(samples=20, size=64, negatives=8)
    return Views(run, config, open_cache(run, config, "val", 32))


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 64])
def test_each_picture_is_shown_once_in_order(views: Views, at_once: int) -> None:
    keys = [one.key for one in views.cache.facts]
    batches = list(views.batches(keys, "noise-7", "", at_once))
    assert [key for batch in batches for key, _, _ in batch] == keys
    assert {len(batch) for batch in batches[:-1]} <= {at_once}
    for key, image, mask in (one for batch in batches for one in batch):
        alone = views.one(key, "noise-7")
        assert np.array_equal(image, alone[1]) and np.array_equal(mask, alone[2])


def test_many_pictures_are_shown_in_bounded_memory(views: Views) -> None:
    """More keys than are read ahead: the first batch comes before the last is begun."""
    keys = [views.cache.keys[0]] * 200
    begun = []
    one = views.one
    views.one = lambda *who: (begun.append(1), one(*who))[1]  # type: ignore[method-assign]
    batches = views.batches(keys, "clean", "", 2)
    next(batches)
    assert len(begun) <= 2 + 2 * 16
    assert sum(len(batch) for batch in batches) == 198


def test_nothing_to_show(views: Views) -> None:
    assert list(views.batches([], "clean", "", 4)) == []


def test_the_cache_is_what_the_network_is_shown_and_the_stored_picture_where_asked(
    views: Views,
) -> None:
    key = views.cache.keys[0]
    _, image, mask = views.one(key, "clean")
    assert np.array_equal(image, views.cache.images[0])
    assert np.array_equal(mask, views.cache.masks[0])
    row = views._stored()[key]
    stored, labels = row.get("image", "Photo"), row.get("mask", "LabelMap")
    assert stored.shape == (64, 64, 3)
    for name, expected in (
        ("resize-48", fit(stored, labels, 48)),
        ("jpeg-60-stored", fit(jpeg(stored, 60), labels, 32)),
    ):
        _, image, mask = views.one(key, name)
        assert np.array_equal(image, expected[0]) and np.array_equal(mask, expected[1])


def test_a_picture_that_cannot_be_read_is_said(views: Views) -> None:
    with pytest.raises(KeyError):
        list(views.batches([views.cache.keys[0], "99999999"], "clean", "", 1))
