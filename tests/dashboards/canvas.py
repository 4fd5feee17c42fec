"""A page of pixels to draw on: rectangles and texts from the top left, and axes where lines go."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

DPI = 100
PAGE, PANEL, EDGE, INK, FAINT = "#111217", "#181b1f", "#2c3035", "#d5d6da", "#9297a0"
#: Of series in their order, then again; and of the names that a dashboard gives.
COLOURS = ("#73BF69", "#F2CC0C", "#5794F2", "#FF9830", "#F2495C", "#B877D9", "#37BBCA", "#FF7BAC",
           "#96D98D", "#FFEE52", "#8AB8FF", "#FFB357", "#FF7383", "#CA95E5", "#7EB26D", "#C8B273",
           "#3F9DB3", "#BA7D5A", "#9B6BB3", "#A9B0BD")  # fmt: skip
NAMED = {"green": "#73BF69", "yellow": "#F2CC0C", "red": "#F2495C", "blue": "#5794F2",
         "orange": "#FF9830", "text": INK}  # fmt: skip
STYLE: Any = {
    "font.family": "DejaVu Sans", "text.parse_math": False, "axes.edgecolor": EDGE,
    "axes.facecolor": PANEL, "xtick.color": FAINT, "ytick.color": FAINT, "grid.color": "#25292e",
    "axes.axisbelow": True, "path.simplify": True,
}  # fmt: skip


class Canvas:
    """`width` x `height` pixels. All sizes are pixels, of texts the height of the font."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAGE)
        self.agg: Any = FigureCanvasAgg(self.figure)

    def box(self, x: float, y: float, w: float, h: float, colour: str, round: float = 0) -> None:
        size = (x, self.height - y - h), w, h
        shape = Rectangle(*size) if not round else FancyBboxPatch(
            *size, boxstyle=f"round,pad=0,rounding_size={round}")  # fmt: skip
        shape.set(facecolor=colour, edgecolor="none", transform=None, antialiased=bool(round))
        self.figure.add_artist(shape)

    def text(
        self, x: float, y: float, text: str, size: float = 12, colour: str = INK,
        align: str = "left", bold: bool = False, room: float = 0,
    ) -> None:  # fmt: skip
        """`y` is the middle of the line. With `room`, cut to so many pixels."""
        if room:
            text = self.cut(text, size, room, bold)
        # Artists of a figure take pixels from the bottom left where their transform is None.
        self.figure.text(
            x / self.width, 1 - y / self.height, text, fontsize=size * 72 / DPI, color=colour,
            ha=align, va="center_baseline", weight="bold" if bold else "normal",
        )  # fmt: skip

    def cut(self, text: str, size: float, room: float, bold: bool = False) -> str:
        if width(text, size, bold) <= room:
            return text
        while text and width(text + "…", size, bold) > room:
            text = text[:-1]
        return text + "…"

    def axes(self, x: float, y: float, w: float, h: float) -> Axes:
        place = (x / self.width, 1 - (y + h) / self.height, w / self.width, h / self.height)
        return self.figure.add_axes(place, zorder=2)  # above the boxes

    def save(self, path: Path) -> None:
        """As a PNG of 256 colours, which a drawing of lines and texts does not miss."""
        self.agg.draw()
        picture = Image.fromarray(np.asarray(self.agg.buffer_rgba())).convert("RGB")
        picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def styled() -> Iterator[None]:
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


@lru_cache(maxsize=4096)
def width(text: str, size: float, bold: bool = False) -> float:
    """Pixels of a line of text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    if not text.strip():
        return len(text) * size * 0.32
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().x1)


def colour(name: str) -> str:
    return NAMED.get(name, name)
