"""The square of one photograph, and what is known of it: small enough to come from another process.

`cut` is what a stage has called apart (pipeline/apart.py). It gets bytes, not a path: what is wrong
with the disk is no fault of the decoder's process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.photos import Limits, Refused, crop_mask, greedy, seen
from pipeline import events

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.apart import Ended


@dataclass(frozen=True, slots=True)
class Cut:
    """`image` is (side, side, 3); `crop` is the box it was cut from, (left, top, right, bottom) in
    pixels of the photograph as displayed. Sizes are (width, height), as displayed and as it lay in
    the file."""

    image: NDArray[np.uint8]
    crop: tuple[int, int, int, int]
    size: tuple[int, int]
    stored_size: tuple[int, int]
    orientation: int
    mode: str
    jpeg_quality: int | None
    sha256: str

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The same crop of a mask in the file's coordinates: (height, width) -> (side, side)."""
        return crop_mask(mask, self.orientation, self.crop, len(self.image))


#: `cut`, here or apart. May also raise `Ended`.
Cutter = Callable[[bytes, Limits, int, "np.random.Generator | None"], Cut]


def cut(raw: bytes, limits: Limits, side: int, draw: np.random.Generator | None) -> Cut:
    """The square of `side` px of the photograph in the file `raw`; `draw` as for `Sight.crop`.
    Raises `Refused`."""
    sight = seen(raw, limits)
    try:
        image, crop = sight.crop(side, draw)
    except MemoryError:
        raise greedy(sight.size[0] * sight.size[1]) from None
    return Cut(image, crop, sight.size, sight.stored_size, sight.orientation, sight.mode,
               sight.jpeg_quality, sight.sha256)  # fmt: skip


def fatal(file: str, ended: Ended) -> Refused:
    """What to raise where a process ended with the picture that it decoded; says so in the log."""
    events.say("decoder-ended", "the process that opened {file} {how}", level="warning",
               file=file, how=str(ended))  # fmt: skip
    return Refused("unreadable-image", f"{file}: the process that opened it {ended}")
