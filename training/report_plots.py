"""Matplotlib figures as SVG that takes its text and line colours from the page.

    in    a function that paints on axes
    out   a `Plot`: markup that is safe to put into the page as it is

Two sentinel colours stand for the page's ink and hairlines and become CSS variables, so a plot is
as legible in the dark as in the light. Texts of users go through `plain`; Matplotlib escapes them.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
from cycler import cycler
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, LINE = "#0b0c0d", "#c1c2c3"
MAIN, SECOND = "#3b82b5", "#d9822b"
#: First, second, third turn (and more): one hue, from dark to light.
SHADES = ("#2f6f9f", "#62addb", "#b3dcf5", "#dcecf7")
#: Of lines, in their order (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLE: Any = {
    "svg.fonttype": "none", "text.parse_math": False, "text.usetex": False, "font.size": 10,
    "font.family": "DejaVu Sans", "axes.edgecolor": LINE, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "grid.color": LINE, "grid.linewidth": 0.5, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.formatter.useoffset": False, "axes.prop_cycle": cycler(
        color=COLOURS),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plot:
    """A `wide` plot gets the page's whole width."""

    title: str
    caption: str
    svg: Markup
    wide: bool = False


def plain(text: str, length: int = 22) -> str:
    """A label: one line without control characters, cut to `length`."""
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    words = " ".join(kept.split())
    return words if len(words) <= length else words[: length - 1] + "…"


def draw(
    title: str, caption: str, alt: str, paint: Callable[[Axes], None],
    size: tuple[float, float] = (4.3, 2.9), wide: bool = False,
) -> Plot:  # fmt: skip
    """Paint on one pair of axes. The same data gives the same bytes."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": title}), warnings.catch_warnings():
        # With text kept as text, a glyph that our font lacks is the browser's to find.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message=".*does not support .* natively")
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.add_subplot())
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return Plot(title, caption, _markup(out.getvalue(), alt), wide)


def _markup(text: str, alt: str) -> Markup:
    """The <svg> element alone, named for screen readers, in the page's colours."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style .*?</style>", "", text, count=2, flags=re.S)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text, count=2)
    text = text.replace(f": {INK}", ": var(--ink)").replace(f": {LINE}", ": var(--line)")
    width, height = re.findall(r' (?:width|height)="([\d.]+)pt"', text[:400])
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    named = f'<svg role="img" aria-label="{escape(alt)}" style="--w: {width}; --h: {height}"'
    return Markup(named + text.removeprefix("<svg"))  # Matplotlib escaped the rest


def whole(axis: Axis) -> None:
    """Ticks at whole numbers only."""
    axis.set_major_locator(MaxNLocator("auto", integer=True))


def bars(axes: Axes, names: list[str], values: list[float], texts: list[str],
         room: float = 1.16) -> None:  # fmt: skip
    """Horizontal bars from the top down, each with its number at the end."""
    axes.barh(names, values, color=MAIN, height=0.72)
    axes.set_ylim(max(len(names), 4) - 0.4, -0.6)
    top = max(values, default=0) or 1
    for i, (value, text) in enumerate(zip(values, texts, strict=True)):
        axes.text(value + top * 0.015, i, text, va="center")
    axes.set_xlim(0, top * room)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    axes.spines[["left", "bottom"]].set_visible(False)
