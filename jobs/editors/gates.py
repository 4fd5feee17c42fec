"""What a picture must be before it counts: every gate of every family, in one place.

A picture that fails is no error but a `Reject`. What went through unseen would be a wrong label: a
mask that says "painted by X" over pixels that nobody painted, or a class that is known by black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.records import Reject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobs.editors import Mask, Painted, Pixels

#: Levels of 0..255. A channel that spans no more than this is one colour, as a failed decoder's is;
#: a picture without any brighter pixel is black.
CONSTANT, BLACK = 2, 4
#: Levels by which a channel must move to count as changed: an autoencoder alone moves nearly every
#: pixel of a photograph by a few.
NOTICEABLE = 8


def made(painted: Painted, size: int) -> Pixels | Reject[Any]:
    """The picture of one pass, or a new one, of `size` pixels; or why it cannot be used."""
    import numpy as np

    if painted.pixels is None:
        return Reject(painted.fault or "nan-latents")
    shape, kind = painted.pixels.shape, painted.pixels.dtype
    if shape != (size, size, 3) or kind != np.uint8:
        return Reject("wrong-size", f"{kind} of {shape}, not uint8 of {(size, size, 3)}")
    return blank(painted.pixels.reshape(-1, 3)) or painted.pixels


def blank(colours: NDArray[np.uint8]) -> Reject[Any] | None:
    """Why `colours` (N, 3) show nothing. A single pixel is always alike to itself."""
    few = colours[:: max(1, len(colours) // 512)]
    return _blank(colours) if _blank(few) else None  # what a few pixels show, all of them do


def _blank(colours: NDArray[np.uint8]) -> Reject[Any] | None:
    if colours.max() <= BLACK:
        return Reject("constant-image", f"all {len(colours)} pixels are black")
    span = int((colours.max(axis=0) - colours.min(axis=0)).max())
    if len(colours) > 1 and span <= CONSTANT:
        return Reject("constant-image", f"all {len(colours)} pixels are alike")
    return None


def moved(before: Pixels, after: Pixels) -> NDArray[np.uint8]:
    """By how many levels each pixel moved, (H, W): the channel that moved most."""
    import numpy as np

    apart = np.maximum(before, after) - np.minimum(before, after)
    red, green, blue = (apart[..., channel] for channel in range(3))
    most: NDArray[np.uint8] = np.maximum(np.maximum(red, green), blue)
    return most


def edited(
    apart: NDArray[np.uint8], mask: Mask, after: Pixels, *, least: float, paste: bool
) -> Reject[Any] | None:
    """Why `after`, whose pixels `moved` by `apart`, is no edit inside `mask`, which is not empty.

    At least a share `least` of the mask must have noticeably changed; where the edit was to be
    pasted (`paste`), nothing else may have.
    """
    import numpy as np

    if paste and (strays := int(np.count_nonzero(apart.astype(np.bool_) & ~mask))):
        return Reject("outside-mask", f"{strays} pixels outside the mask changed")
    share = float((apart[mask] >= NOTICEABLE).mean())
    if share < least:
        return Reject("noop-edit", f"{share:.1%} of the mask changed noticeably")
    return blank(after[mask])
