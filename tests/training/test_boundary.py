"""The fast boundary score against its definition and against DAVIS, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.benchmarks import boundary_f1, label_maps
from tests.training import slow_boundary
from training import boundary, metrics

Labels = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]
RADII = [0, 0.5, 1, 1.5, 2, 2**0.5, 3, 5.43, 6, 20]


@st.composite
def pairs(draw: st.DrawFn, classes: int) -> tuple[Labels, Labels]:
    """Patches, and the same moved or with noise; wide, high and thin pictures, too."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gt = np.full((height, width), draw(st.sampled_from([0, classes - 1])), np.uint8)
    for _ in range(draw(st.integers(0, 5))):
        top, left = random.integers(0, height), random.integers(0, width)
        high, wide = random.integers(1, 20, 2)
        gt[top : top + high, left : left + wide] = random.integers(0, classes)
    pred = np.roll(gt, tuple(random.integers(-3, 4, 2)), (0, 1))
    noise = random.integers(0, classes, gt.shape).astype(np.uint8)
    share = draw(st.sampled_from([0.0, 0.01, 0.3]))
    return gt, np.where(random.random(gt.shape) < share, noise, pred)


def expected(
    pair: tuple[Labels, Labels], classes: int, radii: list[float], ignore: int | None = None
) -> list[dict[int, float]]:
    return [slow_boundary.boundary_f1(*pair, classes, radius, ignore) for radius in radii]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([2, 9, 10, 40]), st.lists(st.sampled_from(RADII), max_size=4))
def test_many_tolerances_are_scored_as_each_is_defined(
    data: st.DataObject, classes: int, radii: list[float]
) -> None:
    """In any order, repeated or none; more classes than there are bits in a byte."""
    pair = data.draw(pairs(classes))
    assert metrics.boundary_f1_many(*pair, classes, radii) == expected(pair, classes, radii)


@pytest.mark.parametrize("short", [10**9, 8, 1], ids=["dilated", "as it is", "looked up"])
@pytest.mark.parametrize("kind", list(label_maps.KINDS))
def test_both_ways_of_matching_find_the_same(
    short: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boundary, "SHORT", short)
    pair = label_maps.KINDS[kind](np.random.default_rng(3), 150)
    radii = [0.0, 2.0, 5.43, 6.0]
    assert metrics.boundary_f1_many(*pair, 9, radii) == expected(pair, 9, radii)


@settings(max_examples=80, deadline=None)
@given(pairs(9), st.integers(0, 2**32 - 1))
def test_what_is_predicted_at_ignored_pixels_makes_no_difference(
    pair: tuple[Labels, Labels], seed: int
) -> None:
    gt, pred = pair
    random = np.random.default_rng(seed)
    hidden = np.zeros(gt.shape, bool)
    hidden[random.integers(0, len(gt)) :, : random.integers(1, gt.shape[1] + 1)] = True
    gt = np.where(hidden, np.uint8(255), gt)
    other = np.where(hidden, random.integers(0, 9, gt.shape), pred).astype(np.uint8)
    found = [metrics.boundary_f1_many(gt, one, 9, [2, 6], ignore=255) for one in (pred, other)]
    assert found[0] == found[1] == expected((gt, pred), 9, [2, 6], 255)
    perfect = metrics.boundary_f1(gt, np.where(hidden, pred, gt), 9, ignore=255)
    assert set(perfect.values()) <= {1.0}


@settings(max_examples=60, deadline=None)
@given(pairs(9), st.integers(1, 7))
def test_it_is_that_of_davis(pair: tuple[Labels, Labels], tolerance: int) -> None:
    """But for a class that fills one of the maps and is not in the other, where DAVIS says 1."""
    gt, pred = pair
    for label, score in metrics.boundary_f1(gt, pred, 9, tolerance).items():
        davis = boundary_f1.f_measure(gt == label, pred == label, tolerance)
        filled = {(one == label).all() for one in pair if len(np.unique(one == label)) == 1}
        assert score == (0.0 if filled == {True, False} else davis), label


def test_odd_tolerances_and_pictures() -> None:
    empty = np.zeros((0, 5), np.uint8)
    gt, pred = np.eye(5, dtype=np.uint8), np.eye(5, dtype=np.uint8)[::-1]
    assert metrics.boundary_f1(empty, empty, 2) == {}
    assert metrics.boundary_f1_many(gt, pred, 2, []) == []
    assert metrics.boundary_f1(gt, pred, 2, 1e9) == {1: 1.0}
    assert metrics.boundary_f1(gt, pred, 2, float("inf")) == {1: 1.0}
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="distance"):
            metrics.boundary_f1(gt, pred, 2, wrong)


def python(code: str, folder: Path) -> str:
    """What `code` prints where numba can keep nothing: no folder of ours or the user's is one."""
    locked = folder / "file"
    locked.touch()
    source = folder / "source"
    (source / "training").mkdir(parents=True)
    for path in (ROOT / "training").glob("*.py"):
        (source / "training" / path.name).write_bytes(path.read_bytes())
    (source / "training" / "__pycache__").touch()  # a file: no folder can be made here
    env = {"HOME": str(locked), "XDG_CACHE_HOME": str(locked), "PYTHONPATH": f"{source}:{ROOT}"}
    argv = [sys.executable, "-B", "-W", "error", "-c", code]
    found = subprocess.run(argv, env=env, cwd=source, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert not found.stderr
    return found.stdout


@pytest.mark.slow
def test_it_works_where_machine_code_cannot_be_kept(tmp_path: Path) -> None:
    code = """
import sys
import numpy as np
from training import metrics, scoring
print("numba" in sys.modules, "source" in metrics.__file__)
one = np.eye(16, dtype=np.uint8)
print(metrics.confusion(one, one, 2).tolist(), metrics.boundary_f1(one, one, 2))
print("numba" in sys.modules)
"""
    lines = python(code, tmp_path).splitlines()
    assert lines == ["False True", "[[240, 0], [0, 16]] {1: 1.0}", "True"]


@pytest.mark.slow
def test_it_is_faster_than_davis() -> None:
    """Equal scores are asserted within; the limits are a third of the benchmark's."""
    for kind, limit in boundary_f1.LIMITS.items():
        ratios = boundary_f1.measure(kind, pictures=2, rounds=3).ratios
        assert ratios[boundary_f1.PEER] > limit / 3, (kind, ratios)
