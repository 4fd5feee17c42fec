"""Between the pipeline's uint8 arrays and what diffusion libraries take and return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from jobs.editors import Painted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.editors import Mask, Pixels


def one_size(images: Sequence[Pixels]) -> int:
    """The edge of the square `images`, which must agree: a batch is one tensor."""
    shapes = {image.shape for image in images}
    if len(shapes) != 1 or (shape := shapes.pop())[0] != shape[1]:
        raise ValueError(f"a batch takes square images of one size, not {sorted(shapes)}")
    return int(shape[0])


def rounded(size: int, multiple: int) -> int:
    """The smallest size that a family can work at without losing pixels of `size`."""
    return -(-size // multiple) * multiple


def pictures(images: Sequence[Pixels], size: int) -> list[Image.Image]:
    """Photographs as the libraries take them, at the family's working size."""
    return [
        Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS) for image in images
    ]


def stencils(masks: Sequence[Mask], size: int) -> list[Image.Image]:
    """Masks as the libraries take them: white is repainted, and no grey arises from resizing."""
    return [
        Image.fromarray(mask.astype(np.uint8) * 255).resize((size, size), Image.Resampling.NEAREST)
        for mask in masks
    ]


def blank(count: int, size: int) -> tuple[list[Pixels], list[Mask]]:
    """Grey pictures under full masks: an inpainting model paints them from the text alone."""
    grey, everything = np.full((size, size, 3), 127, np.uint8), np.ones((size, size), np.bool_)
    return [grey] * count, [everything] * count


def pixels(
    values: NDArray[np.floating], working: int, size: int, finite: Sequence[bool] = ()
) -> list[Painted]:
    """Model output (N, working, working, 3) in 0..1 as uint8 of `size`.

    The libraries cast NaN to black without a word, so we ask them for floats and cast ourselves.
    `finite` says of each sample what was seen before they clamped it; empty = nobody looked.
    """
    seen = finite or [True] * len(values)
    return [
        _cast(value, working, size) if sound and np.isfinite(value).all()
        else Painted(None, "nan-latents")
        for value, sound in zip(values, seen, strict=True)
    ]  # fmt: skip


def _cast(value: NDArray[np.floating], working: int, size: int) -> Painted:
    if value.shape != (working, working, 3):
        return Painted(None, "wrong-size")
    levels: Pixels = np.clip(value * 255.0, 0.0, 255.0).round().astype(np.uint8)
    if working != size:
        picture = Image.fromarray(levels).resize((size, size), Image.Resampling.LANCZOS)
        levels = np.asarray(picture, dtype=np.uint8)
    return Painted(levels)
