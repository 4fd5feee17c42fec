"""A segmentation model as a classifier of pictures: one number a picture from its map.

    top1      mean of the upper hundredth of the probabilities of an edit; average precision and
              accuracy at 0.5 are of this
    share     share of the pixels that are called edited: more than the share that told best on the
              dev slice makes the picture edited
    share-0   the same with nothing to choose: any pixel does

The second version of the paper says that it uses segmentation so, but not how; this is our choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]

TOP = 0.01


def top(foreground: Floats) -> Floats:
    """(B, H, W) -> (B,): the mean over the upper hundredth of the pixels, one at least."""
    flat = foreground.reshape(len(foreground), -1)
    count = max(1, round(TOP * flat.shape[1]))
    upper = np.partition(flat, flat.shape[1] - count, axis=1)[:, -count:]
    found: Floats = upper.mean(axis=1, dtype=np.float64).astype(np.float32)
    return found


def share(labels: Bytes) -> Floats:
    """(B, H, W) -> (B,): the share of pixels with a class above 0."""
    found: Floats = (labels > 0).reshape(len(labels), -1).mean(axis=1).astype(np.float32)
    return found
