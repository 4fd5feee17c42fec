"""Scores of whole pictures, edited or not: by a detector that says so, or from the maps of one that
segments (training/pooling.py).

in    a predictor, views of the val split, sets of edited and unedited pictures; the dev slice of
      train, on which thresholds are chosen
out   a row for each set; of a detector that segments, three
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.documents import Figure, Metrics
from training import data, pooling, ranking, scoring
from training.counting import counting
from training.evaluate_rows import row
from training.predicting import Predictor
from training.sets import ASSEMBLED, NO_CROP, Set
from training.views import Views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.config import ProtocolName
    from training.cache import Cache

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float64]
    #: Pictures (B, S, S, 3) -> one number a picture, or two, (B, k).
    Judge = Callable[[Bytes], Floats]

NO_DEV = "train has too few sources for a dev slice, so no threshold could be chosen"


def score(
    protocol: ProtocolName, predictor: Predictor, views: Views, train: Cache, sets: Sequence[Set]
) -> list[Metrics]:
    """The rows of a detector of whole pictures, in order of `sets`."""
    rows: dict[str, Metrics] = {}
    for view in dict.fromkeys((one.condition, one.pictures) for one in sets):
        mine = [one for one in sets if (one.condition, one.pictures) == view]

        def judge(images: Bytes, whole: bool = view[0] == NO_CROP) -> Floats:
            return predictor.chances(images, whole)[:, None].astype(np.float64)

        balanced = _thresholds(predictor, views, train, judge)
        known = _judged(protocol, predictor, views, mine, judge)
        for one in mine:
            edited, found = _of(views, one, known)
            figures = scoring.image(edited, found[:, 0], balanced[0] if balanced else None)
            notes = () if balanced else (NO_DEV,)
            rows[one.name] = row(protocol, predictor.curve, one, "image", figures, notes=notes)
    return [rows[one.name] for one in sets]


def score_maps(
    protocol: ProtocolName, predictor: Predictor, views: Views, train: Cache, sets: Sequence[Set]
) -> list[Metrics]:
    """The rows of a detector that segments: of each set in order, one by each way to a verdict."""

    def judge(images: Bytes) -> Floats:
        labels, foreground = predictor.maps(images)
        return np.stack([pooling.top(foreground), pooling.share(labels)], axis=1)

    balanced = _thresholds(predictor, views, train, judge)
    rows = []
    for pictures in dict.fromkeys(one.pictures for one in sets):
        mine = [one for one in sets if one.pictures == pictures]
        known = _judged(protocol, predictor, views, mine, judge)
        for one in mine:
            rows += _three(protocol, predictor, one, *_of(views, one, known), balanced)
    return rows


def _three(
    protocol: ProtocolName, predictor: Predictor, one: Set, edited: NDArray[np.bool_],
    found: Floats, balanced: Sequence[float],
) -> list[Metrics]:  # fmt: skip
    top, share = found.T
    ranked = "ranked by the mean of the upper hundredth of the probabilities"
    made: list[tuple[str, dict[str, Figure], str]] = [
        ("top1", scoring.image(edited, top, balanced[0] if balanced else None),
         f"{ranked}, edited above 0.5"),
    ]  # fmt: skip
    if balanced:
        at = balanced[1]
        figures = scoring.image(edited, top, at, decisions=share, threshold=at)
        made.append(("share", figures, f"{ranked}, edited if more than {at:.4f} of the pixels are"))
    else:
        made.append(("share", {}, NO_DEV))
    figures = scoring.image(edited, top, decisions=share, threshold=0.0)
    made.append(("share-0", figures, f"{ranked}, edited if any pixel is"))
    return [
        row(protocol, predictor.curve, replace(one, name=f"{one.name}-{how}"), "image", figures,
            samples=len(one.keys) if figures else 0, notes=(note,))
        for how, figures, note in made
    ]  # fmt: skip


def _judged(
    protocol: str, predictor: Predictor, views: Views, sets: Sequence[Set], judge: Judge
) -> dict[str, Floats]:
    """What `judge` says of each picture that any of `sets` has; all are shown alike."""
    keys = sorted({key for one in sets for key in one.keys})
    found: dict[str, Floats] = {}
    with counting(f"{protocol}, {sets[0].name}", len(keys)) as told:
        at_once = predictor.at_once(predictor.size)
        for batch in views.batches(keys, sets[0].condition, sets[0].pictures, at_once):
            said = judge(np.stack([image for _, image, _ in batch]))
            found |= {key: one for (key, _, _), one in zip(batch, said, strict=True)}
            told(len(batch))
    return found


def _of(views: Views, one: Set, known: dict[str, Floats]) -> tuple[NDArray[np.bool_], Floats]:
    """Which pictures of a set are edited (N,), and what was said of them (N, k)."""
    edited = one.pictures == ASSEMBLED
    truth = [edited and views.edited(key) for key in one.keys]
    found = np.array([known[key] for key in one.keys], np.float64)
    return np.array(truth, np.bool_), found.reshape(len(one.keys), -1 if len(found) else 2)


def _thresholds(
    predictor: Predictor, views: Views, train: Cache, judge: Judge
) -> tuple[float, ...]:
    """For each number of `judge` the threshold that tells best on the dev slice, which no detector
    learned from; () if there is none, or it has pictures of one kind alone."""
    if not any(one.part == "negative" for one in train.facts):
        return ()
    chosen = data.select(train, views.config, "image", predictor.curve.subset)
    _, dev = data.dev(train, chosen, views.config)
    if dev is None:
        return ()
    views.parents |= train.parents
    step = predictor.at_once(predictor.size)
    parts = [dev.rows[i : i + step] for i in range(0, len(dev.rows), step)]
    found = np.concatenate([judge(train.images[rows]) for rows in parts])
    return tuple(ranking.balanced_threshold(dev.targets, scores) for scores in found.T)
