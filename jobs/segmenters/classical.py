"""The segmenter's CPU stand-in: graph-based segmentation (Felzenszwalb and Huttenlocher 2004).

It finds "green area" and the like: segments whose mean colour bears that name. Any folder of images
works with it, without weights; it knows no objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.colours import NAMES, name_index
from jobs.segmenters import Found, Seen, Segmenter
from pipeline.cards import Card
from pipeline.config import Config
from pipeline.records import ToSegment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CARD = Card(title="graph-based segmentation", image="base", note="a classical stand-in, no model")
#: Segments are found at this side and scaled back: cost and result do not depend on the picture's.
SIDE = 160


class Classical:
    """Implements `jobs.segmenters.Segmenter`."""

    model = ""

    def segment(self, items: Sequence[ToSegment]) -> list[Seen]:
        return [Seen(self._one(item)) for item in items]

    def _one(self, item: ToSegment) -> list[Found]:
        segments, colours = _segments(item.image)
        found = []
        for thing in item.objects.objects:
            colour = thing.name.removesuffix(" area")
            if colour not in NAMES:
                continue
            wanted = [i for i, name in enumerate(colours) if name == colour]
            masks = [_filled(segments == i) for i in wanted]
            masks = [mask for mask in masks if mask.any()]  # lost when scaled to a small picture
            found += [Found(thing, mask) for mask in sorted(masks, key=lambda m: -int(m.sum()))]
        return found


def _segments(image: NDArray[np.uint8]) -> tuple[NDArray[np.intp], list[str]]:
    """(H, W) segment numbers at the picture's size, and the colour name of each segment's mean."""
    import numpy as np
    from PIL import Image
    from skimage.segmentation import felzenszwalb

    small = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))
    labels = felzenszwalb(small, scale=200, sigma=0.8, min_size=SIDE * SIDE // 100)
    count = np.bincount(labels.ravel())
    means = np.stack(
        [np.bincount(labels.ravel(), small[..., c].ravel()) / count for c in range(3)], 1
    )
    names = [NAMES[i] for i in name_index(means.round().astype(np.uint8))]
    large = Image.fromarray(labels.astype(np.int32)).resize(
        image.shape[1::-1], Image.Resampling.NEAREST
    )
    return np.asarray(large), names


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without holes: an object's mask that a painter can fill."""
    from scipy.ndimage import binary_fill_holes

    filled: NDArray[np.bool_] = binary_fill_holes(mask)
    return filled


def load(config: Config) -> Segmenter:
    return Classical()
