"""Eleven colour names for pixels, by hue, saturation and lightness. No learning, no data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Upper hue bound in degrees of each name; red wraps around.
HUES = (
    (15, "red"), (40, "orange"), (70, "yellow"), (165, "green"), (260, "blue"), (320, "purple"),
    (360, "red"),
)  # fmt: skip
NAMES = (
    "red", "orange", "yellow", "green", "blue", "purple", "brown", "pink", "white", "grey", "black",
)  # fmt: skip


def name_index(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(..., 3) uint8 RGB -> (...) uint8 index into NAMES."""
    import numpy as np

    rgb = image.astype(np.float32) / 255
    top, low = rgb.max(-1), rgb.min(-1)
    chroma = np.maximum(top - low, 1e-6)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    hue = (
        np.select(
            [top == red, top == green],
            [(green - blue) / chroma % 6, (blue - red) / chroma + 2],
            (red - green) / chroma + 4,
        )
        * 60
    )
    bounds = np.array([bound for bound, _ in HUES[:-1]], np.float32)
    by_hue = np.array([NAMES.index(name) for _, name in HUES], np.uint8)
    found: NDArray[np.uint8] = by_hue[np.digitize(hue, bounds)]
    light = (top + low) / 2
    warm = np.isin(found, [NAMES.index("orange"), NAMES.index("red"), NAMES.index("yellow")])
    found[warm & (light < 0.4)] = NAMES.index("brown")
    found[(found == NAMES.index("red")) & (light > 0.7)] = NAMES.index("pink")
    plain = (top - low) < 0.12
    found[plain] = NAMES.index("grey")
    found[plain & (light > 0.8)] = NAMES.index("white")
    found[light < 0.15] = NAMES.index("black")
    return found


def named_pixels(image: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
    """The pixels of each colour that occurs: name -> (H, W) bool."""
    index = name_index(image)
    return {name: index == i for i, name in enumerate(NAMES) if (index == i).any()}
