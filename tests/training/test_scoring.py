"""Figures with their intervals: what they are of, and what is left of them when little is there."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.documents import Figure
from tests.benchmarks import label_maps
from tests.benchmarks import scoring as benchmark
from training import metrics, ranking, scoring

Labels = NDArray[np.uint8]
NAMES = ["untouched", "one", "two", "three"]
SEGMENTATION = {
    "accuracy", "accuracy_foreground", "edited_pixel_fraction", "miou", "miou_per_image",
    "bf1_2px", "bf1_diagonal", "bf1_davis",
}  # fmt: skip
IMAGE = {
    "accuracy", "accuracy_balanced", "threshold_balanced", "ap", "ap_mean", "true_positive_rate",
    "false_positive_rate",
}  # fmt: skip


def maps(count: int, seed: int = 0, size: int = 60) -> list[tuple[Labels, Labels]]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        gt = label_maps.blobs(random, 2, size) % 3
        pred = np.roll(gt, tuple(random.integers(-3, 4, 2)), (0, 1))
        found.append((gt, pred))
    return found


def inside(figure: Figure) -> bool:
    """A value with an interval around it that is not a point."""
    assert figure.value is not None and figure.low is not None and figure.high is not None
    return figure.low <= figure.value <= figure.high and figure.low < figure.high


def test_figures_are_the_exact_scores_with_an_interval() -> None:
    pairs = maps(12)
    figures, ious, matrix = scoring.segmentation(pairs, 4, NAMES)
    assert set(figures) == SEGMENTATION
    assert all(inside(figure) for figure in figures.values()), figures
    matrices = [metrics.confusion(*pair, 4) for pair in pairs]
    assert matrix.tolist() == np.sum(matrices, axis=0).tolist()
    for name in ("accuracy", "accuracy_foreground", "edited_pixel_fraction", "miou"):
        assert figures[name].value == getattr(metrics, name)(matrix)
        stacked = scoring._OF_MATRIX[name][1](np.array(matrices))
        each = [getattr(metrics, name)(one) for one in matrices]
        assert stacked == pytest.approx(each, nan_ok=True)
    assert ious == dict(zip(NAMES[1:], metrics.iou(matrix)[1:], strict=True))
    assert ious["three"] is None
    per_image = np.nanmean([metrics.miou(one) for one in matrices])
    assert figures["miou_per_image"].value == pytest.approx(per_image)
    for name, tolerance in metrics.tolerances(60, 60).items():
        assert figures[name].value == pytest.approx(metrics.mean_bf1(pairs, 4, tolerance))


def test_pictures_of_several_sizes_have_their_own_tolerances() -> None:
    pairs = maps(1, 1, 200) + maps(1, 2, 400)
    figures, _, _ = scoring.segmentation(pairs, 4, NAMES)
    each = [
        metrics.mean_bf1([pair], 4, metrics.tolerances(*pair[0].shape)["bf1_davis"])
        for pair in pairs
    ]
    assert figures["bf1_davis"].value == pytest.approx(np.mean(each))


def test_no_map_is_kept() -> None:
    alive: list[weakref.ref[Labels]] = []

    def stream() -> Iterator[tuple[Labels, Labels]]:
        for pair in maps(1) * 6:
            gt = pair[0].copy()
            alive.append(weakref.ref(gt))
            yield gt, pair[1]
            del gt
            assert sum(ref() is not None for ref in alive) <= 1

    figures, _, matrix = scoring.segmentation(stream(), 4, NAMES)
    assert len(alive) == 6
    assert matrix.sum() == 6 * 60 * 60
    value = figures["miou"].value
    assert value is not None
    assert figures["miou"].low == figures["miou"].high == pytest.approx(value)


def test_ignored_pixels_are_in_no_figure() -> None:
    pairs = maps(5)
    hidden = []
    for gt, pred in pairs:
        gt, pred = gt.copy(), pred.copy()
        gt[:, :30], pred[:, :30] = 255, 3
        hidden.append((gt, pred))
    _, ious, matrix = scoring.segmentation(hidden, 4, NAMES, ignore=255)
    right = [(gt[:, 30:], pred[:, 30:]) for gt, pred in pairs]
    assert matrix.tolist() == scoring.segmentation(right, 4, NAMES)[2].tolist()
    assert ious["three"] is None
    with pytest.raises(ValueError, match="outside"):
        scoring.segmentation(hidden, 4, NAMES)


def test_where_nothing_can_be_scored_the_figure_is_none() -> None:
    none = Figure(value=None)
    figures, ious, matrix = scoring.segmentation([], 4, NAMES)
    assert set(figures) == SEGMENTATION and set(figures.values()) == {none}
    assert set(ious.values()) == {None} and not matrix.any()

    untouched = np.zeros((8, 8), np.uint8)
    figures, _, _ = scoring.segmentation([(untouched, untouched)] * 3, 4, NAMES)
    assert figures.pop("accuracy") == Figure(value=1.0, low=1.0, high=1.0)
    assert figures.pop("edited_pixel_fraction") == Figure(value=0.0, low=0.0, high=0.0)
    assert set(figures.values()) == {none}

    hidden = np.full((8, 8), 255, np.uint8)
    figures, _, _ = scoring.segmentation([(hidden, untouched)] * 2, 4, NAMES, ignore=255)
    assert set(figures.values()) == {none}


def test_one_picture_has_figures_without_an_interval() -> None:
    figures, _, _ = scoring.segmentation(maps(1), 4, NAMES)
    for figure in figures.values():
        assert figure.value is not None and figure.low is None and figure.high is None


def test_names_are_those_of_all_classes() -> None:
    with pytest.raises(ValueError, match="4 classes have 3 names"):
        scoring.segmentation([], 4, NAMES[1:])


def test_intervals_depend_on_the_seed_alone() -> None:
    pairs = maps(6)
    found = [scoring.segmentation(iter(pairs), 4, NAMES, seed=seed)[0] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_the_image_task() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2 == 0
    scores = np.clip(random.normal(0.4 + 0.25 * labels, 0.2), 0, 1)
    figures = scoring.image(labels, scores, 0.55)
    assert set(figures) == IMAGE
    assert figures["threshold_balanced"] == Figure(value=0.55)
    assert all(inside(figure) for name, figure in figures.items() if name != "threshold_balanced")
    rates = ranking.rates(labels, scores, 0.5)
    others = ranking.average_precision(~labels, -scores)
    for name, value in {
        "accuracy": ranking.accuracy_at(labels, scores, 0.5),
        "accuracy_balanced": ranking.rates(labels, scores, 0.55).balanced,
        "true_positive_rate": rates.hits,
        "false_positive_rate": rates.false_alarms,
        "ap": ranking.average_precision(labels, scores),
        "ap_mean": (ranking.average_precision(labels, scores) + others) / 2,
    }.items():
        assert figures[name].value == pytest.approx(value)
    assert scoring.image(labels, scores, 0.55) == figures


def test_a_detector_may_decide_by_another_score_than_it_ranks_by() -> None:
    labels, ranks = np.array([1, 1, 0, 0]), np.array([0.9, 0.8, 0.2, 0.1])
    areas = np.array([0.3, 0.0, 0.0, 0.1])
    figures = scoring.image(labels, ranks, 0.2, decisions=areas, threshold=0.0)
    assert figures["ap"].value == 1.0
    assert figures["accuracy"].value == 0.5
    assert figures["true_positive_rate"].value == figures["false_positive_rate"].value == 0.5
    assert figures["accuracy_balanced"].value == 0.75


@pytest.mark.parametrize("labels", [[], [True], [False], [True] * 4, [False] * 4])
@pytest.mark.parametrize("balanced", [None, math.nan, 0.5])
def test_pictures_of_one_kind_or_none(labels: list[bool], balanced: float | None) -> None:
    figures = scoring.image(np.array(labels, bool), np.linspace(0.1, 0.9, len(labels)), balanced)
    assert set(figures) == IMAGE
    assert figures["accuracy_balanced"] == figures["ap_mean"] == Figure(value=None)
    assert (figures["accuracy"].value is None) is (not labels)
    assert (figures["ap"].value is None) is (not any(labels))
    assert (figures["false_positive_rate"].value is None) is (not labels or all(labels))
    for figure in figures.values():
        assert all(x is None or math.isfinite(x) for x in (figure.value, figure.low, figure.high))


@pytest.mark.slow
def test_scoring_after_the_logits_is_faster_than_by_the_peers() -> None:
    """Equal labels, counts and scores are asserted within; the limit is a third of the
    benchmark's."""
    for kind in label_maps.KINDS:
        ratios = benchmark.measure(kind, pictures=2, rounds=3).ratios
        assert ratios[benchmark.PEER] > benchmark.LIMIT / 3, (kind, ratios)
