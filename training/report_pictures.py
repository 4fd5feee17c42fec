"""Pictures for the page: the palette, label maps in it, outlines of masks, data URIs.

in    arrays
out   strings that go into `src`, `d` and `style` attributes: no text of users or models in them
"""

from __future__ import annotations

import base64
import colorsys
import io
from typing import TYPE_CHECKING

from pipeline.config import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Bytes = NDArray[np.uint8]
    Bools = NDArray[np.bool_]

#: Okabe and Ito's seven colours and a brown, by label. With any of the three common kinds of colour
#: blindness the two nearest are still 16 (CIE76) apart.
PALETTE = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#83501F",
)  # fmt: skip
#: What a binary detector calls edited, by whomever.
EDITED = "#FFFFFF"
LOSSLESS, LARGEST, TRACED = 160, 384, 256


def colour(label: int) -> str:
    """The colour of a label from 1 on, `#RRGGBB`; labels above eight get made-up hues."""
    if 1 <= label <= len(PALETTE):
        return PALETTE[label - 1]
    red, green, blue = colorsys.hls_to_rgb(label * 0.618034 % 1, 0.45 + 0.25 * (label % 2), 0.6)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def colours(config: Config) -> dict[str, str]:
    """Family -> colour, in the order of the labels, so that a family has one colour everywhere."""
    ordered = sorted(config.families.items(), key=lambda item: item[1])
    return {family: colour(label) for family, label in ordered}


def photo_uri(image: Bytes) -> str:
    """A photograph: as it is when small, else scaled down and as JPEG."""
    from PIL import Image

    picture = Image.fromarray(image)
    if max(picture.size) <= LOSSLESS:
        return _uri(picture, "PNG", optimize=True)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return _uri(picture, "JPEG", quality=88, optimize=True)


def map_uri(labels: Bytes, binary: bool = False) -> str:
    """A label map in the palette; the untouched is transparent. `binary`: any label is "edited"."""
    from PIL import Image

    step = max(1, -(-max(labels.shape) // LARGEST))
    picture = Image.fromarray(labels[::step, ::step].copy()).convert("P")
    flat = [0, 0, 0]
    for label in range(1, 256):
        flat += bytes.fromhex((EDITED if binary else colour(label))[1:])
    picture.putpalette(flat)
    return _uri(picture, "PNG", optimize=True, transparency=0)


def _uri(picture: Image.Image, kind: str, **how: object) -> str:
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


def outline(mask: Bools) -> tuple[str, int]:
    """An SVG path along the edges of the mask's pixels, and the side of the square it is in."""
    import numpy as np

    step = max(1, -(-max(mask.shape) // TRACED))
    plane = np.pad(mask[::step, ::step], 1)
    across = plane[1:, 1:-1] != plane[:-1, 1:-1]
    down = (plane[1:-1, 1:] != plane[1:-1, :-1]).T
    parts = [f"M{x} {y}h{n}" for y, x, n in _runs(across)]
    parts += [f"M{x} {y}v{n}" for x, y, n in _runs(down)]
    return "".join(parts), mask[::step].shape[0]


def _runs(edges: Bools) -> list[tuple[int, int, int]]:
    """(line, start, length) of every run of True along the last axis."""
    import numpy as np

    padded = np.pad(edges, ((0, 0), (1, 1))).astype(np.int8)
    turns = np.diff(padded, axis=1)
    lines, starts = np.nonzero(turns == 1)
    ends = np.nonzero(turns == -1)[1]
    return [(int(i), int(a), int(b - a)) for i, a, b in zip(lines, starts, ends, strict=True)]
