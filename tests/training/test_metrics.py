"""Every score against a slow definition, pixel by pixel, and against cases worked by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.benchmarks import confusion
from training import metrics

Labels = NDArray[np.uint8]


@st.composite
def pairs(draw: st.DrawFn, classes: int = 4, side: int = 9) -> tuple[Labels, Labels]:
    """Two label maps of one shape: patches rather than noise, and often alike."""
    height, width = draw(st.integers(1, side)), draw(st.integers(1, side))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gt = np.zeros((height, width), np.uint8)
    for _ in range(draw(st.integers(0, 4))):
        top, left = random.integers(0, height), random.integers(0, width)
        high, wide = random.integers(1, side + 1, 2)
        gt[top : top + high, left : left + wide] = random.integers(0, classes)
    kind = draw(st.sampled_from(["same", "shifted", "noisy", "other"]))
    if kind == "same":
        return gt, gt.copy()
    if kind == "shifted":
        return gt, np.roll(gt, tuple(random.integers(-2, 3, 2)), (0, 1))
    noise = random.integers(0, classes, gt.shape).astype(np.uint8)
    return gt, np.where(random.random(gt.shape) < 0.2, noise, gt) if kind == "noisy" else noise


def slow_confusion(gt: Labels, pred: Labels, classes: int) -> list[list[int]]:
    found = [[0] * classes for _ in range(classes)]
    for y in range(gt.shape[0]):
        for x in range(gt.shape[1]):
            found[gt[y, x]][pred[y, x]] += 1
    return found


def slow_boundary(inside: NDArray[np.bool_]) -> list[tuple[int, int]]:
    height, width = inside.shape
    return [
        (y, x)
        for y in range(height)
        for x in range(width)
        if any(
            inside[y, x] != inside[v, u]
            for v, u in ((y, x + 1), (y + 1, x), (y + 1, x + 1))
            if v < height and u < width
        )
    ]


def slow_bf1(gt: Labels, pred: Labels, tolerance: float) -> dict[int, float]:
    found = {}
    for label in sorted((set(gt.ravel().tolist()) | set(pred.ravel().tolist())) - {0}):
        a, b = slow_boundary(gt == label), slow_boundary(pred == label)
        if not a and not b:
            found[label] = float((gt == label).all() == (pred == label).all())
        elif not a or not b:
            found[label] = 0.0
        else:
            recall = sum(min(math.dist(p, q) for q in b) <= tolerance for p in a) / len(a)
            precision = sum(min(math.dist(p, q) for q in a) <= tolerance for p in b) / len(b)
            both = precision + recall
            found[label] = 2 * precision * recall / both if both else 0.0
    return found


@settings(deadline=None)
@given(pairs())
def test_the_confusion_matrix_counts_every_pixel_once(pair: tuple[Labels, Labels]) -> None:
    matrix = metrics.confusion(*pair, 4)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == slow_confusion(*pair, 4)


@settings(deadline=None)
@given(pairs())
def test_pixel_scores_follow_from_the_matrix(pair: tuple[Labels, Labels]) -> None:
    gt, pred = pair
    matrix = metrics.confusion(gt, pred, 4)
    assert metrics.accuracy(matrix) == pytest.approx(np.mean(gt == pred))
    assert metrics.edited_pixel_fraction(matrix) == pytest.approx(np.mean(gt > 0))
    if (gt > 0).any():
        assert metrics.accuracy_foreground(matrix) == pytest.approx(np.mean((gt == pred)[gt > 0]))
    expected = [
        np.sum((gt == c) & (pred == c)) / union
        if (union := np.sum((gt == c) | (pred == c)))
        else None
        for c in range(4)
    ]
    assert metrics.iou(matrix) == pytest.approx(expected)
    kept = [value for value in expected[1:] if value is not None]
    assert metrics.miou(matrix) == pytest.approx(np.mean(kept) if kept else math.nan, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(pairs(), st.sampled_from([0, 1, 1.5, 2, 3, 20]))
def test_the_boundary_score_is_that_of_all_distances(
    pair: tuple[Labels, Labels], tolerance: float
) -> None:
    assert metrics.boundary_f1(*pair, 4, tolerance) == pytest.approx(slow_bf1(*pair, tolerance))


@settings(deadline=None)
@given(pairs())
def test_a_map_agrees_with_itself(pair: tuple[Labels, Labels]) -> None:
    gt = pair[0]
    assert set(metrics.boundary_f1(gt, gt, 4).values()) <= {1.0}
    assert metrics.accuracy(metrics.confusion(gt, gt, 4)) == 1.0


@settings(deadline=None)
@given(pairs())
def test_the_boundary_score_is_symmetric_and_never_falls_with_the_tolerance(
    pair: tuple[Labels, Labels],
) -> None:
    gt, pred = pair
    scores = [metrics.boundary_f1(gt, pred, 4, tolerance) for tolerance in (0, 1, 2, 4)]
    assert scores[2] == metrics.boundary_f1(pred, gt, 4, 2)
    for narrow, wide in itertools.pairwise(scores):
        assert all(narrow[label] <= wide[label] + 1e-12 for label in narrow)


def test_more_classes_than_bits() -> None:
    gt = np.arange(400, dtype=np.uint8).reshape(20, 20) % 40
    pred = np.roll(gt, 1, axis=0)
    assert metrics.boundary_f1(gt, pred, 40) == pytest.approx(slow_bf1(gt, pred, 2))


def square(shift: int, side: int = 32) -> Labels:
    found = np.zeros((side, side), np.uint8)
    found[8:20, 8 + shift : 20 + shift] = 1
    return found


def test_a_square_that_is_shifted_by_the_tolerance_matches_fully() -> None:
    for shift, matched in ((0, True), (1, True), (2, True), (3, False)):
        score = metrics.boundary_f1(square(0), square(shift), 2, 2)[1]
        assert (score == 1.0) is matched, (shift, score)


def test_the_tolerance_is_a_disk() -> None:
    """(2, 1) is sqrt(5) away and must not match at 2 px; (2, 0) and (1, 1) must."""
    gt, apart = np.zeros((2, 15, 15), np.uint8)
    gt[7, 7] = 1
    for dy, dx, matched in ((2, 0, True), (1, 1, True), (2, 1, False), (2, 2, False)):
        apart[:] = 0
        apart[7 + dy, 7 + dx] = 1
        score = metrics.boundary_f1(gt, apart, 2, 2)[1]
        assert (score == 1.0) is matched, (dy, dx, score)


def test_nothing_against_something() -> None:
    empty, full, half = np.zeros((3, 8, 8), np.uint8)
    full[:], half[:, :4] = 1, 1
    assert metrics.boundary_f1(empty, empty, 2) == {}
    assert metrics.boundary_f1(half, empty, 2) == {1: 0.0}
    assert metrics.boundary_f1(full, half, 2) == {1: 0.0}
    assert metrics.boundary_f1(full, full, 2) == {1: 1.0}
    assert metrics.boundary_f1(full, empty, 2) == {1: 0.0}  # DAVIS' code says 1


def test_the_mean_is_over_classes_then_pictures() -> None:
    two, one = np.zeros((2, 8, 8), np.uint8)
    two[:4, :4], two[4:, 4:] = 1, 2
    one[:4, :4] = 1
    empty = np.zeros((8, 8), np.uint8)
    assert metrics.mean_bf1([(two, one), (one, one), (empty, empty)], 3) == pytest.approx(0.75)
    assert math.isnan(metrics.mean_bf1([(empty, empty)], 3))


def test_known_matrix() -> None:
    matrix = np.array([[50, 10, 0, 0], [5, 30, 5, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert metrics.accuracy(matrix) == pytest.approx(0.8)
    assert metrics.accuracy_foreground(matrix) == pytest.approx(0.75)
    assert metrics.iou(matrix) == [pytest.approx(50 / 65), pytest.approx(0.6), 0.0, None]
    assert metrics.miou(matrix) == pytest.approx(0.3)
    assert metrics.edited_pixel_fraction(matrix) == pytest.approx(0.4)


@pytest.mark.parametrize("score", [metrics.confusion, metrics.boundary_f1])
def test_labels_and_shapes_are_checked(score: Any) -> None:
    good, bad = np.zeros((4, 4), np.uint8), np.full((4, 4), 3, np.uint8)
    for pair in ((good, bad), (bad, good), (bad.astype(np.int64) - 4, good), (good, bad + 252)):
        with pytest.raises(ValueError, match="outside"):
            score(*pair, 3)
    with pytest.raises(ValueError, match="shape"):
        score(good, good[:2], 3)
    with pytest.raises(ValueError, match="classes"):
        score(good, good, 257)
    with pytest.raises(ValueError, match="ignored"):
        score(good, good, 3, ignore=2)


@pytest.mark.parametrize("classes", [metrics.FEW, metrics.FEW + 1, 256])
def test_any_number_of_classes_is_counted(classes: int) -> None:
    """Long runs, short ones and ends that are no multiple of eight; across chunks."""
    random = np.random.default_rng(classes)
    lengths = random.integers(1, 60, 800)
    gt = np.repeat(random.integers(0, classes, 800), lengths).astype(np.uint8)[None]
    pred = np.where(random.random(gt.shape) < 0.1, random.integers(0, classes, gt.shape), gt)
    expected = np.bincount(classes * gt.astype(int).ravel() + pred.ravel(), minlength=classes**2)
    for size in (0, 1, 7, 8, 8191, 8193, gt.size):
        matrix = metrics.confusion(gt[:, :size], pred[:, :size].astype(np.uint8), classes)
        assert matrix.sum() == size
    assert matrix.ravel().tolist() == expected.tolist()


@settings(deadline=None)
@given(pairs(), st.integers(0, 2**32 - 1), st.sampled_from([4, 40]))
def test_ignored_pixels_count_nowhere(pair: tuple[Labels, Labels], seed: int, classes: int) -> None:
    gt, pred = pair
    hidden = np.random.default_rng(seed).random(gt.shape) < 0.3
    expected = metrics.confusion(gt[~hidden][None], pred[~hidden][None], classes)
    gt = np.where(hidden, np.uint8(255), gt)
    for guess in (pred, np.where(hidden, np.uint8(77), pred)):  # whatever was predicted there
        assert metrics.confusion(gt, guess, classes, ignore=255).tolist() == expected.tolist()
    if hidden.any():
        with pytest.raises(ValueError, match="outside"):
            metrics.confusion(gt, pred, classes)
        with pytest.raises(ValueError, match="outside"):
            metrics.confusion(pred, gt, classes, ignore=255)


def test_maps_of_any_memory_are_scored() -> None:
    """Read-only, with gaps, or of another type: as they come out of a mapped file or of torch."""
    random = np.random.default_rng(0)
    gt, pred = random.integers(0, 3, (2, 40, 30)).astype(np.uint8)
    expected = metrics.confusion(gt, pred, 3).tolist(), metrics.boundary_f1(gt, pred, 3)
    wide = np.zeros((40, 64), np.uint8)
    wide[:, 1:31] = gt
    locked = gt.copy()
    locked.flags.writeable = False
    for same in (locked, wide[:, 1:31], np.asfortranarray(gt), gt.astype(np.int64)):
        found = metrics.confusion(same, pred, 3).tolist(), metrics.boundary_f1(same, pred, 3)
        assert found == expected


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 12), st.sampled_from([(), (1,), (3,)]),
    st.sampled_from(["float32", "float64", "float16"]), st.booleans(),
)  # fmt: skip
def test_the_likeliest_class_is_that_of_argmax(
    seed: int, classes: int, batch: tuple[int, ...], dtype: str, last: bool
) -> None:
    """With ties, infinities and nan, and in either layout."""
    random = np.random.default_rng(seed)
    values = np.array([-np.inf, -1, 0, 0.5, np.inf, np.nan])
    chances = [0.05, 0.3, 0.3, 0.25, 0.05, 0.05]
    logits = random.choice(values, (*batch, classes, 9, 17), p=chances).astype(dtype)
    if last:
        logits = np.moveaxis(np.ascontiguousarray(np.moveaxis(logits, -3, -1)), -1, -3)
    logits.flags.writeable = False
    found = metrics.likeliest(logits)
    assert found.dtype == np.uint8
    assert np.array_equal(found, logits.argmax(axis=-3))


def test_logits_of_a_large_picture() -> None:
    """More pixels than are looked at in one go."""
    logits = np.random.default_rng(0).standard_normal((3, 530, 540), np.float32)
    for layout in (logits, np.ascontiguousarray(logits.transpose(1, 2, 0)).transpose(2, 0, 1)):
        assert np.array_equal(metrics.likeliest(layout), logits.argmax(axis=0))
    with pytest.raises(ValueError, match="257 classes"):
        metrics.likeliest(np.zeros((257, 1, 1), np.float32))


def test_tolerances() -> None:
    assert metrics.tolerances(512, 512) == {
        "bf1_2px": 2.0, "bf1_diagonal": pytest.approx(5.4306, abs=1e-4), "bf1_davis": 6.0
    }  # fmt: skip
    assert metrics.tolerances(1024, 1024)["bf1_davis"] == 12.0
    assert metrics.tolerances(300, 400)["bf1_davis"] == 4.0


@pytest.mark.slow
def test_the_matrix_is_counted_faster_than_by_its_peers() -> None:
    """Equal counts are asserted within; the limits are those of the benchmark, a third of them."""
    for kind, share in (("good", 3), ("noisy", 10)):
        ratios = confusion.measure(kind, pictures=2, rounds=3).ratios
        for peer, limit in confusion.LIMITS.items():
            assert ratios[peer] > limit / share, (kind, peer, ratios)
