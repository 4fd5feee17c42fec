"""What a detector makes of a picture: numbers, a mask and an overlay at the picture's own size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.report_pictures import colour

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from training.predicting import Predictor

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]

#: What a binary detector calls edited, by whomever; and the weight of colour over the picture.
EDITED, TINT = "#FF2D95", 0.45


@dataclass(frozen=True)
class Found:
    """`shares` of the picture by name; their sum is `edited`. `confidence` is the mean probability
    of an edit over the pixels that are called edited, or where none are, of no edit over all. Of a
    detector of whole pictures, which has no `mask`, `edited` is the probability of an edit.
    `mask` (H, W) uint8 holds mask values, 0 = unedited."""

    edited: float
    confidence: float
    shares: dict[str, float]
    mask: Bytes | None


def looked_at(predictor: Predictor, pictures: list[Image.Image]) -> list[Found]:
    """What is found in each picture. All are resized to the network's size as in training."""
    from PIL import Image

    side = (predictor.size, predictor.size)
    small = np.stack([np.asarray(one.resize(side, Image.Resampling.BILINEAR)) for one in pictures])
    if predictor.task == "image":
        chances = (float(chance) for chance in predictor.chances(small))
        return [Found(chance, max(chance, 1 - chance), {}, None) for chance in chances]
    classes, foreground = predictor.maps(small)
    values = np.array(list(predictor.labels.values()), np.uint8)
    return [
        _found(predictor, Image.fromarray(values[labels]), chance, picture.size)
        for labels, chance, picture in zip(classes, foreground, pictures, strict=True)
    ]


def _found(
    predictor: Predictor, labels: Image.Image, chance: Floats, size: tuple[int, int]
) -> Found:
    from PIL import Image

    mask = np.asarray(labels.resize(size, Image.Resampling.NEAREST))
    called = np.asarray(labels) > 0
    confidence = chance[called].mean() if called.any() else (1 - chance).mean()
    counts = np.bincount(mask.ravel(), minlength=256)
    shares = {name: float(counts[value] / mask.size)
              for name, value in predictor.labels.items() if value and counts[value]}  # fmt: skip
    return Found(float((mask > 0).mean()), float(confidence), shares, mask)


def overlay(picture: Image.Image, mask: Bytes, binary: bool) -> Image.Image:
    """The picture with what is called edited in the colour of whom it is ascribed to, brighter
    along its edge."""
    from PIL import Image

    table = np.zeros((256, 3), np.float32)
    for value in np.unique(mask[mask > 0]):
        shown = EDITED if binary else colour(int(value))
        table[value] = list(bytes.fromhex(shown[1:]))
    pixels = np.asarray(picture).astype(np.float32)
    painted, edge = table[mask], _edge(mask)
    weight = np.where(mask > 0, np.where(edge, 1.0, TINT), 0.0)[..., None].astype(np.float32)
    blended = pixels * (1 - weight) + painted * weight
    return Image.fromarray(blended.round().astype(np.uint8))


def _edge(mask: Bytes) -> NDArray[np.bool_]:
    """The pixels, one or two wide, that have another value beside or below them."""
    found = np.zeros(mask.shape, np.bool_)
    down, across = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= across
    found[:, :-1] |= across
    return found
