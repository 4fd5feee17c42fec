"""Random scale, crop, flip, blur and JPEG: a pure function of the picture and its place.

Everything random of a picture is one row of `chances`, keyed by the stream's seed and the place in
the stream: the same for any number of processes, on any thread, after any resume.

Scaling and cropping are one step: the window of the picture that the crop will show is cut at whole
pixels and brought to the crop's size, so that nothing is computed and thrown away. Pictures are
resampled by torch's 8-bit bilinear interpolation with antialias, masks by nearest. On one kind of
CPU its bytes are always the same; between kinds, or against Pillow, they may differ by one level.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline import seeds
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Chances = NDArray[np.float64]

RESAMPLER = "torch-uint8-bilinear-antialias"
#: The class, and the mask value, of pixels that are no part of a picture.
IGNORE = 255
#: What the columns of `chances` decide.
SCALE, TOP, LEFT, FLIP, BLUR, SIGMA, JPEG, QUALITY = range(8)
SIGMAS, QUALITIES = (0.0, 3.0), (30, 100)  # CNNDetection, networks/../options


def chances(stream: int, places: NDArray[np.int64]) -> Chances:
    """(B, 8) float64, uniform in [0, 1): all that is random about the pictures at `places`."""
    return np.stack([seeds.rng(stream, "augment", place).random(8) for place in places.tolist()])


def windows(
    images: Bytes, masks: Bytes, rows: NDArray[np.int64], chances: Chances, recipe: Recipe
) -> tuple[Bytes, Bytes]:
    """Pictures `rows` of (N, S, S, 3) and (N, S, S) for segmentation -> (B, C, C, 3), (B, C, C).

    A scale within `recipe.scale`, a crop of `recipe.crop` px (None = S), a mirror image of every
    other picture. Where the scaled picture is smaller than the crop it lies in its middle, as in
    VainF/DeepLabV3Plus-Pytorch; around it are the recipe's mean colour and `IGNORE` (there: zero
    and class 0).
    """
    side = images.shape[1]
    crop = recipe.crop or side
    found = np.empty((len(rows), crop, crop, 3), np.uint8)
    labels = np.empty(found.shape[:3], np.uint8)
    blank = _blank(crop, recipe)
    for i, row in enumerate(rows.tolist()):
        chance = chances[i]
        low, high = recipe.scale or (1.0, 1.0)
        scaled = max(1, round(side * (low + (high - low) * chance[SCALE])))
        shown = min(scaled, crop)  # px of the crop that the picture covers
        edge = min(side, max(1, round(side * shown / scaled)))  # px of the picture that it shows
        top, left = (int(chance[which] * (side - edge + 1)) for which in (TOP, LEFT))
        at = (crop - shown) // 2
        if shown < crop:
            found[i], labels[i] = blank, IGNORE
        window = np.s_[row, top : top + edge, left : left + edge]
        place = np.s_[i, at : at + shown, at : at + shown]
        mirror = recipe.flip and bool(chance[FLIP] < 0.5)
        found[place] = resize(images[window], shown, mirror)
        labels[place] = nearest(masks[window], shown, mirror)
    return found, labels


def pictures(images: Iterable[Bytes], chances: Chances, recipe: Recipe) -> Bytes:
    """Pictures (S, S, 3) for the image task -> (B, C, C, 3): resized to `recipe.load`, blurred and
    put through JPEG with the recipe's probabilities, cut to `recipe.crop` at a random place,
    mirrored; in the order of PeterWang512/CNNDetection."""
    found = []
    for image, chance in zip(images, chances, strict=True):
        loaded = resize(image, recipe.load or image.shape[0])
        if chance[BLUR] < recipe.blur:
            loaded = blurred(loaded, SIGMAS[0] + (SIGMAS[1] - SIGMAS[0]) * chance[SIGMA])
        if chance[JPEG] < recipe.jpeg:
            low, high = QUALITIES
            loaded = jpeg(loaded, low + int(chance[QUALITY] * (high - low + 1)))
        side = loaded.shape[0]
        crop = min(recipe.crop or side, side)
        top, left = (int(chance[which] * (side - crop + 1)) for which in (TOP, LEFT))
        cut = loaded[top : top + crop, left : left + crop]
        found.append(resize(cut, crop, recipe.flip and bool(chance[FLIP] < 0.5)))
    return np.stack(found)


def plain(images: Bytes, recipe: Recipe) -> Bytes:
    """Pictures (B, S, S, 3) for the image task as they are judged: `recipe.load`, the middle of
    `recipe.crop` px, nothing random."""
    return np.stack(list(_plain(images, recipe)))


def _plain(images: Bytes, recipe: Recipe) -> Iterator[Bytes]:
    for image in images:
        loaded = resize(image, recipe.load or image.shape[0])
        crop = min(recipe.crop or loaded.shape[0], loaded.shape[0])
        at = (loaded.shape[0] - crop) // 2
        yield loaded[at : at + crop, at : at + crop]


def resize(image: Bytes, side: int, mirror: bool = False) -> Bytes:
    """(H, W, 3) -> (side, side, 3), bilinear, its filter widened where the picture shrinks; with
    `mirror`, left to right. What needs no change is returned as it is."""
    same = image.shape[:2] == (side, side)
    if same and not mirror:
        return image
    import torch
    from torch.nn.functional import interpolate

    plane = torch.from_numpy(np.array(image))  # a copy, since torch wants to write what it is given
    if mirror:
        plane = plane.flip(1)
    if not same:
        channels_last = plane[None].permute(0, 3, 1, 2)  # in this order, or torch turns it round
        scaled = interpolate(channels_last, size=(side, side), mode="bilinear", antialias=True)
        plane = scaled[0].permute(1, 2, 0)
    found: Bytes = plane.numpy()
    return found


def nearest(mask: Bytes, side: int, mirror: bool = False) -> Bytes:
    """(H, W) -> (side, side): the value under the middle of each pixel; with `mirror`, left to
    right. What needs no change is returned as it is."""
    if mask.shape == (side, side):
        return mask[:, ::-1] if mirror else mask
    rows, columns = ((2 * np.arange(side) + 1) * edge // (2 * side) for edge in mask.shape)
    found: Bytes = mask[rows].take(columns[::-1] if mirror else columns, axis=1)
    return found


def blurred(image: Bytes, sigma: float) -> Bytes:
    """A Gaussian of `sigma` px, cut at four of them, the picture mirrored at its borders."""
    reach = int(4 * sigma + 0.5)
    if not reach:
        return image
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    found = image.astype(np.float32)
    for axis in (0, 1):
        around = [(reach, reach) if one == axis else (0, 0) for one in range(3)]
        wide = np.pad(found, around, mode="symmetric")
        count = found.shape[axis]
        found = sum(
            weight * wide.take(range(i, i + count), axis) for i, weight in enumerate(weights)
        )
    return found.round().clip(0, 255).astype(np.uint8)


def jpeg(image: Bytes, quality: int) -> Bytes:
    """Through Pillow's JPEG and back, chroma at half size."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=quality)
    with Image.open(out) as picture:
        return np.array(picture)


@lru_cache(maxsize=4)
def _blank(side: int, recipe: Recipe) -> Bytes:
    """(side, side, 3) of the RGB colour that normalisation makes zero, to the next level."""
    mean = recipe.mean[::-1] if recipe.bgr else [255 * value for value in recipe.mean]
    return np.full((side, side, 3), np.array(mean).round().clip(0, 255), np.uint8)


def to_network(images: Bytes, device: torch.device, recipe: Recipe) -> torch.Tensor:
    """(B, S, S, 3) uint8 RGB -> (B, 3, S, S) float32 on `device`, less `recipe.mean` and divided by
    `recipe.std`: of values 0..1, or with `recipe.bgr` of 0..255, channels and means in the order of
    blue, green and red. Pixels travel as bytes."""
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device, non_blocking=True)
    pixels = pixels.permute(0, 3, 1, 2).contiguous().float()
    pixels = pixels.flip(1) if recipe.bgr else pixels / 255
    mean, std = (
        torch.tensor(v, device=device, dtype=torch.float32).view(1, 3, 1, 1)
        for v in (recipe.mean, recipe.std)
    )
    return (pixels - mean) / std
