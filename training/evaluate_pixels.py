"""Scores of a detector of pixels: one pass over the pictures for each condition, in which every set
is scored that wants them.

in    a predictor, views of the val split, sets
out   a row for each set; of one set, if asked, the predicted label maps
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.documents import Figure, Metrics, Task
from training import bootstrap, data, scoring
from training.counting import counting
from training.evaluate_rows import row, shown
from training.predicting import Predictor
from training.scorers import at_work
from training.sets import Set
from training.views import Views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.config import ProtocolName

    Bytes = NDArray[np.uint8]
    Pair = tuple[Bytes, Bytes]


def score(
    protocol: ProtocolName, predictor: Predictor, views: Views, sets: Sequence[Set], keep: str = ""
) -> tuple[list[Metrics], dict[str, Bytes]]:
    """The rows in order of `sets`; and for each picture of the set named `keep` the mask values
    that were predicted, (s, s)."""
    passes: dict[tuple[str, str], list[Set]] = {}
    for one in sets:
        passes.setdefault((one.condition, one.pictures), []).append(one)
    rows: dict[str, Metrics] = {}
    kept: dict[str, Bytes] = {}
    values = np.array(list(predictor.labels.values()), np.uint8)
    with counting(protocol, sum(len(_keys(mine)) for mine in passes.values())) as told:
        for mine in passes.values():
            made = [partial(_row, protocol, predictor, views, one) for one in mine]
            with at_work(made) as scorers:
                wanted = [
                    (one, frozenset(one.keys), it) for one, it in zip(mine, scorers, strict=True)
                ]
                for key, mask, found in _predicted(predictor, views, mine):
                    for one, keys, scorer in wanted:
                        if key in keys:
                            scorer.give((mask, found))
                        if key in keys and one.name == keep:
                            kept[key] = values[found]
                    told(1)
                rows |= {one.name: scorer.result() for one, _, scorer in wanted}
    return [rows[one.name] for one in sets], kept


def _keys(sets: Sequence[Set]) -> list[str]:
    return sorted({key for one in sets for key in one.keys})


def _predicted(
    predictor: Predictor, views: Views, sets: Sequence[Set]
) -> Iterator[tuple[str, Bytes, Bytes]]:
    """Key, mask values and predicted classes (s, s) of each picture that any of `sets` has, all of
    which are shown alike."""
    name, pictures = sets[0].condition, sets[0].pictures
    at_once = predictor.at_once(shown(sets[0]).size(predictor.size))
    for batch in views.batches(_keys(sets), name, pictures, at_once):
        found = predictor.classes(np.stack([image for _, image, _ in batch]))
        yield from ((key, mask, one) for (key, _, mask), one in zip(batch, found, strict=True))


def _pair(views: Views, task: Task, one: Set, mask: Bytes, found: Bytes) -> Pair:
    """Ground truth and prediction as a set wants them: classes, of pixels without a truth 255."""
    truth = data.classify(mask, views.config, task, one.ignored)
    return truth, (found > 0).astype(np.uint8) if one.merged else found


def _row(
    protocol: ProtocolName, predictor: Predictor, views: Views, one: Set, given: Iterator[Pair]
) -> Metrics:
    """The row of a set, of the mask values and predicted classes of its pictures."""
    task: Task = "binary" if one.merged else predictor.task
    pairs = (_pair(views, task, one, mask, found) for mask, found in given)
    names = list(data.class_labels(views.config, task))
    counts: list[tuple[int, int]] = []
    watched = _watched(pairs, names.index(one.family), counts) if one.family else pairs
    figures, iou, matrix = scoring.segmentation(watched, len(names), names, data.IGNORE)
    if one.family:
        figures["iou"] = _iou(iou[one.family], counts)
    return row(protocol, predictor.curve, one, task, figures, iou=iou, matrix=matrix,
               stored=0 if views.config.imported else views.config.bases.resolution)  # fmt: skip


def _watched(pairs: Iterator[Pair], label: int, counts: list[tuple[int, int]]) -> Iterator[Pair]:
    """The pairs as they are, while the intersection and the union of one class are noted."""
    for gt, pred in pairs:
        truth, found = gt == label, pred == label
        counts.append((int((truth & found).sum()), int((truth | found).sum())))
        yield gt, pred


def _iou(value: float | None, counts: list[tuple[int, int]]) -> Figure:
    """The IoU of one class with its interval."""
    if value is None:
        return Figure(value=None)
    low, high = bootstrap.interval(
        np.array(counts, np.int64), lambda sums: bootstrap.share(sums[:, 0], sums[:, 1])
    )
    return Figure(value=value, low=low, high=high)
