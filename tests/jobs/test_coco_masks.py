"""What is a mask becomes the very one, and all else none, soon and without harm."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from jobs.coco_masks import decoded

ROOT = Path(__file__).parents[2]
SQUARE = [[2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]]
SIZE = (30, 20)  # width, height


def mask(segmentation: Any) -> np.ndarray | None:
    return decoded(segmentation, SIZE)


def test_a_polygon_is_filled() -> None:
    found = mask(SQUARE)
    assert found is not None and found.shape == (20, 30) and found.dtype == np.bool_
    assert found[3:7, 3:7].all() and 25 <= found.sum() <= 49 and not found[10:].any()


def test_an_object_may_have_several_parts_and_scraps_are_left_out() -> None:
    far = [20.0, 10.0, 28.0, 10.0, 28.0, 18.0]
    found, alone = mask([*SQUARE, far, [1.0, 1.0, 2.0, 2.0]]), mask(SQUARE)
    assert found is not None and alone is not None
    assert found[alone].all() and found[12, 26] and found.sum() > alone.sum()


@given(arrays(np.bool_, (20, 30)))
def test_run_lengths_are_read_packed_and_as_a_list(plane: np.ndarray) -> None:
    packed = coco.encode(np.asfortranarray(plane.astype(np.uint8)))
    runs = np.flatnonzero(np.diff(np.concatenate([[0], plane.T.ravel(), [0]]).astype(int)))
    counts = np.diff(np.concatenate([[0], runs, [600]])).tolist()
    for code in (packed["counts"].decode(), counts):
        found = mask({"size": [20, 30], "counts": code})
        assert (found is None and not plane.any()) or (found == plane).all()


@pytest.mark.parametrize(
    "segmentation",
    [
        None, [], {}, [[]], "", 0, 7, True, "a mask",
        [[1.0, 2.0, 3.0, 4.0]],
        [[1.0, 2.0]],
        [1.0, 1.0, 5.0, 1.0, 5.0, 5.0],
        [[[1, 1], [5, 1], [5, 5], [1, 5], [2, 2], [3, 3]]],
        [["a", "b", "c", "d", "e", "f"]],
        [[0, 0, 10, None, 10, 10]],
        [[0, 0, 10, float("nan"), 10, 10]],
        [[0, 0, 10, float("inf"), 10, 10]],
        [[0, 0, 1e9, 0, 1e9, 1e9]],
        [[0, 0, 1e300, 0, 1e300, 1e300]],
        [[100.0, 100.0, 110.0, 100.0, 110.0, 110.0]],
        {"size": [20, 30]},
        {"counts": [0, 600]},
        {"size": [20, 30], "counts": None},
        {"size": [20, 30], "counts": 7},
        {"size": [20, 30], "counts": []},
        {"size": [20, 30], "counts": [600]},
        {"size": [20, 30], "counts": [0, 599]},
        {"size": [20, 30], "counts": [0, 601]},
        {"size": [20, 30], "counts": [-1, 601]},
        {"size": [20, 30], "counts": [0.5, 599.5]},
        {"size": [20, 30], "counts": [float("nan"), 600]},
        {"size": [20, 30], "counts": [1 << 70]},
        {"size": [20, 30], "counts": ["0", "600"]},
        {"size": [20, 30], "counts": [[0], 600]},
        {"size": [20, 30], "counts": ""},
        {"size": [20, 30], "counts": "zzzzzz"},
        {"size": [20, 30], "counts": "\x7f\x7f\x7f"},
        {"size": [20, 30], "counts": "é\0"},
        {"size": [30, 20], "counts": [0, 600]},
        {"size": [100_000, 100_000], "counts": [0, 600]},
        {"size": [-20, -30], "counts": [0, 600]},
        {"size": "20", "counts": [0, 600]},
        {"size": 600, "counts": [0, 600]},
    ],
)  # fmt: skip
def test_what_is_no_mask_is_none(segmentation: Any) -> None:
    assert mask(segmentation) is None


@pytest.mark.parametrize(
    "code",
    [
        [[0.0, 0.0, 8.0, 8.0] * 100_000],  # to and fro, for gigabytes of line
        {"size": [8, 8], "counts": "o" * 10**6},  # one number of five million bits
        {"size": [8, 8], "counts": [10**400]},
        {"size": [8, 8], "counts": [float("inf")]},
        {"size": [8, 8], "counts": "\u2603" * 9},
        {"size": [8, 8], "counts": {"64": 64}},
        [["1234567"] * 6], [{"a": 1}] * 6, "polygon", 7, None, [None], [[[]] * 6],
    ],
)  # fmt: skip
def test_a_hostile_mask_is_none_and_takes_no_time(code: Any) -> None:
    begun = time.process_time()
    assert decoded(code, (8, 8)) is None
    assert time.process_time() - begun < 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(st.sampled_from(["size", "counts", "x"]), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(
    JSON
    | st.lists(st.lists(st.floats(), min_size=6, max_size=9), max_size=3)
    | st.lists(st.lists(st.floats(-50, 110), min_size=6, max_size=9), max_size=3)
    | st.fixed_dictionaries({"size": st.just([20, 30]), "counts": st.text(max_size=9) | JSON})
)
def test_no_annotation_whatever_ends_in_anything_but_a_mask_or_none(segmentation: Any) -> None:
    found = mask(segmentation)
    assert found is None or (found.shape == (20, 30) and found.any())


def test_a_wild_polygon_does_not_end_the_process() -> None:
    """pycocotools does, on its own."""
    wild = "[[0, 0, 1e9, 0, 1e9, 1e9]]"
    code = f"from jobs.coco_masks import decoded; print(decoded({wild}, (30, 20)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "None\n")
