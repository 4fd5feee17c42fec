"""What is done to a picture before a detector sees it: uint8 to uint8, the same bytes every time.

    clean             nothing
    jpeg-60           JPEG of quality 60, chroma 4:2:0, by libjpeg (Pillow)
    webp-50           lossy WebP of quality 50
    blur-5            a Gaussian over 5 x 5 pixels
    noise-10          Gaussian noise with a deviation of 10 of 255, keyed by the sample
    rescale-0.5       to half the side and back
    crop-0.75         the middle 0.75 of the side, the mask with it
    resave-3          three JPEGs, one made from the other
    resize-256        no distortion, another input size: the stored picture at 256 pixels
    jpeg-60-stored    the same on the stored picture, before it is brought to the input size

The paper does not say whether it compressed the stored picture or the network's input. Ours is the
input, as its drop is too deep for the other reading; `-stored` is that one. Its resizing is read as
another input size, at which the scores are taken as well (table 3).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline import seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

TABLE3 = ("clean", "jpeg-60", "jpeg-80", "resize-256", "resize-1024")
#: Table 3's JPEG by its other reading, shown beside the first.
STORED = ("jpeg-60-stored", "jpeg-80-stored")
SEVERITY = (
    "clean",
    *(f"jpeg-{quality}" for quality in (95, 90, 80, 70, 60, 50)),
    *(f"webp-{quality}" for quality in (95, 90, 80, 70, 60, 50)),
    *(f"blur-{kernel}" for kernel in (3, 5, 7, 9)),
    *(f"noise-{deviation}" for deviation in (3, 7, 11, 15, 19, 23)),
    "rescale-0.5", "rescale-2", "crop-0.75", "crop-0.5", "resave-1", "resave-2", "resave-3",
)  # fmt: skip
#: Qualities of a chain of re-saves, from the first on.
CHAIN = (95, 85, 75)
#: Networks halve their input five times, so what is cut out has a multiple of this as its side.
STRIDE = 32


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of the table above. `stored`: is done to the stored picture, not to the input."""

    name: str
    kind: str
    amount: float = 0.0
    stored: bool = False

    def size(self, network: int) -> int:
        """The side in pixels that a network for `network` pixels is shown, and scored at."""
        if self.kind == "resize":
            return int(self.amount)
        if self.kind == "crop":
            return max(STRIDE, int(network * self.amount) // STRIDE * STRIDE)
        return network

    @property
    def from_stored(self) -> bool:
        """Whether it needs the stored picture; the others start from the network's input."""
        return self.stored or self.kind == "resize"

    def distort(self, image: Bytes, key: str, seed: int) -> Bytes:
        """(H, W, 3) -> (H, W, 3). `key` and the run's `seed` are what noise is drawn by."""
        if self.kind not in DISTORTIONS:
            return image
        return DISTORTIONS[self.kind](image, self.amount, seeds.seed(seed, key, self.name))

    def apply(
        self, image: Bytes, mask: Bytes, network: int, key: str, seed: int
    ) -> tuple[Bytes, Bytes]:
        """What the network is shown, and its mask: (s, s, 3) and (s, s) with s = `size(network)`.
        `image` and `mask` are as stored if `from_stored`, else at `network` pixels."""
        image = self.distort(image, key, seed)
        if self.from_stored:
            return fit(image, mask, self.size(network))
        first = (network - self.size(network)) // 2
        cut = slice(first, first + self.size(network))
        return image[cut, cut], mask[cut, cut]


@lru_cache
def condition(name: str) -> Condition:
    """The condition of that name. Raises ValueError for a name that means none."""
    found = re.fullmatch(r"([a-z]+)(?:-(\d+(?:\.\d+)?))?(-stored)?", name)
    kind, amount, stored = found.groups() if found else ("", None, None)
    distorts = kind in DISTORTIONS
    known = distorts or kind in ("crop", "resize")
    if known != (amount is not None) or not (known or name == "clean") or (stored and not distorts):
        raise ValueError(f"no condition {name!r}: see training/conditions.py")
    return Condition(name, kind, float(amount or 0), stored is not None)


def fit(image: Bytes, mask: Bytes, size: int) -> tuple[Bytes, Bytes]:
    """Both at `size` pixels: the picture by data.RESAMPLER, labels by their nearest pixel."""
    picture, labels = Image.fromarray(image), Image.fromarray(mask)
    return (
        np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)),
        np.asarray(labels.resize((size, size), Image.Resampling.NEAREST)),
    )


def jpeg(image: Bytes, quality: float, seed: int = 0) -> Bytes:
    """As a JPEG file says: baseline, 4:2:0, the standard's tables scaled to `quality`."""
    return _saved(image, "JPEG", quality=int(quality), subsampling="4:2:0")


def webp(image: Bytes, quality: float, seed: int = 0) -> Bytes:
    """As a lossy WebP file says."""
    return _saved(image, "WEBP", quality=int(quality), method=4)


def resave(image: Bytes, times: float, seed: int = 0) -> Bytes:
    """As many JPEGs as `times`, at falling qualities, each of what the one before says."""
    for quality in CHAIN[: int(times)]:
        image = jpeg(image, quality)
    return image


def blur(image: Bytes, kernel: float, seed: int = 0) -> Bytes:
    """Convolved with a sampled Gaussian of `kernel` pixels, the picture mirrored at its edges (its
    last row once). Its deviation is what OpenCV takes for a kernel: 0.3 ((k - 1) / 2 - 1) + 0.8."""
    reach = int(kernel) // 2
    sigma = 0.3 * (reach - 1) + 0.8
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    found = image.astype(np.float32)
    for axis in (0, 1):
        edges = [(0, 0)] * 3
        edges[axis] = (reach, reach)
        padded = np.moveaxis(np.pad(found, edges, mode="reflect"), axis, 0)
        found = np.zeros_like(padded[reach : len(padded) - reach])
        for i, weight in enumerate(weights):
            found += weight * padded[i : i + len(found)]
        found = np.moveaxis(found, 0, axis)
    return np.rint(found).clip(0, 255).astype(np.uint8)


def noise(image: Bytes, deviation: float, seed: int = 0) -> Bytes:
    """White Gaussian noise in each channel, drawn by `seed`."""
    draw = np.random.Generator(np.random.Philox(seed))
    found = image + draw.standard_normal(image.shape, np.float32) * np.float32(deviation)
    return np.rint(found).clip(0, 255).astype(np.uint8)


def rescale(image: Bytes, factor: float, seed: int = 0) -> Bytes:
    """To `factor` times the side and back, bilinear, widened where it shrinks."""
    height, width = image.shape[:2]
    there = Image.fromarray(image).resize(
        (max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.BILINEAR
    )
    return np.asarray(there.resize((width, height), Image.Resampling.BILINEAR))


DISTORTIONS: dict[str, Callable[[Bytes, float, int], Bytes]] = {
    "jpeg": jpeg, "webp": webp, "resave": resave, "blur": blur, "noise": noise, "rescale": rescale,
}  # fmt: skip


def _saved(image: Bytes, container: str, **how: int | str) -> Bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, container, **how)
    with Image.open(file, formats=(container,)) as picture:
        return np.asarray(picture.convert("RGB"))
