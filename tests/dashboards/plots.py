"""Values over time, as lines or as layers, with their legend."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from tests.dashboards.boards import Doc
from tests.dashboards.canvas import COLOURS, INK, Canvas, width
from tests.dashboards.looks import Place, defaults, fixed, nothing, said
from tests.dashboards.panel_data import Line, View
from tests.dashboards.units import shown

LINE = 17  # pixels of a line of a legend
#: Round distances of ticks: of seconds, and of bytes.
SPANS = [base * 10.0**power for power in range(-6, 1) for base in (1, 2, 5)] + [
    10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 18000.0, 43200.0,
    86400.0, 172800.0,
]  # fmt: skip
BYTES = [
    base * 1024.0**power for power in range(6) for base in (1, 2, 5, 10, 20, 50, 100, 200, 500)
]


def timeseries(canvas: Canvas, place: Place, panel: Doc, view: View) -> None:
    lines = [one for one in view.lines(panel) if any(isfinite(value) for _, value in one.points)]
    if not lines:
        return nothing(canvas, place)
    shades = [fixed(panel, one.name, COLOURS[i % len(COLOURS)]) for i, one in enumerate(lines)]
    right = panel["options"]["legend"]["placement"] == "right"
    long = max(width(one.name, 11) for one in lines) + 30
    last = [said(panel, _last(one)) for one in lines]
    side = long + max(width(text, 11) for text in last) + 14 if right else 0
    below = 0 if right else _flow(canvas, place, lines, shades, draw=False) * LINE + 4
    axis = 62
    plot = canvas.axes(place.x + axis, place.y + 6, place.w - axis - side - 10,
                       place.h - below - 28)  # fmt: skip
    _plot(plot, panel, lines, shades, view)
    if not right:
        _flow(canvas, place, lines, shades, draw=True)
        return
    x, end = place.x + place.w - side, place.x + place.w
    for i, one in enumerate(lines[: int(place.h // LINE)]):
        y = place.y + (i + 0.5) * LINE
        canvas.box(x + 6, y - 1.5, 14, 3, shades[i])
        canvas.text(x + 26, y, one.name, 11)
        canvas.text(end, y, last[i], 11, INK, "right")


def _last(line: Line) -> float:
    return next((value for _, value in reversed(line.points) if isfinite(value)), nan)


def _flow(
    canvas: Canvas, place: Place, lines: Sequence[Line], shades: Sequence[str], draw: bool
) -> int:
    """The legend below a plot, as many entries to a line as fit; how many lines it takes."""
    spots, x, row = [], 0.0, 0
    for one in lines:
        need = width(one.name, 11) + 36
        if x and x + need > place.w:
            x, row = 0.0, row + 1
        spots.append((x, row))
        x += need
    if draw:
        top = place.y + place.h - (row + 1) * LINE + 2
        for one, (x, at), shade in zip(lines, spots, shades, strict=True):
            y = top + (at + 0.5) * LINE
            canvas.box(place.x + x, y - 1.5, 14, 3, shade)
            canvas.text(place.x + x + 19, y, one.name or "value", 11, room=place.w - 20)
    return row + 1


def _plot(plot: Axes, panel: Doc, lines: Sequence[Line], shades: Sequence[str], view: View) -> None:
    """Lines or layers over the moments of the view; where a series has no value, nothing."""
    moments = np.arange(0, view.seconds + 1e-6, view.step)
    values = np.full((len(lines), len(moments)), nan)
    for i, one in enumerate(lines):
        for at, value in one.points:
            spot = round(at / view.step)
            if spot < len(moments) and isfinite(value):
                values[i, spot] = value
    custom = defaults(panel)["custom"]
    if custom.get("stacking"):
        layers = np.nan_to_num(values).cumsum(axis=0)
        under = np.vstack([np.zeros(len(moments)), layers[:-1]])
        for low, high, shade in zip(under, layers, shades, strict=True):
            plot.fill_between(moments, low, high, color=shade, alpha=0.55, linewidth=0)
            plot.plot(moments, np.where(high > low, high, nan), color=shade, linewidth=1.1)
    else:
        for line, shade in zip(values, shades, strict=True):
            alone = (
                np.isfinite(line) & ~np.isfinite(np.roll(line, 1)) & ~np.isfinite(np.roll(line, -1))
            )
            plot.plot(moments, line, color=shade, linewidth=1.3)
            plot.plot(moments[alone], line[alone], ".", color=shade, markersize=3)
            if custom["fillOpacity"] and len(lines) < 4:
                plot.fill_between(moments, 0, line, color=shade, alpha=0.08, linewidth=0)
    _scales(plot, panel, view)


def _scales(plot: Axes, panel: Doc, view: View) -> None:
    one = defaults(panel)
    plot.set_xlim(0, view.seconds)
    if "min" in one:
        top = one.get("max", plot.dataLim.y1 * 1.05)
        plot.set_ylim(bottom=one["min"], top=top if top > one["min"] else one["min"] + 1)
    plot.grid(True, linewidth=0.8)
    plot.tick_params(labelsize=8, length=0, pad=5)
    for name in ("top", "right", "left"):
        plot.spines[name].set_visible(False)
    if one["unit"] in ("bytes", "binBps", "s"):
        choices = SPANS if one["unit"] == "s" else BYTES
        plot.yaxis.set_major_locator(MultipleLocator(_step(plot.get_ylim()[1], choices)))
    else:
        plot.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    plot.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, one["unit"], None)))
    plot.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 1.5, 2, 3, 6, 10], integer=True))
    plot.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{int(value) // 60}:{int(value) % 60:02d}")
    )


def _step(top: float, choices: Sequence[float]) -> float:
    """The least of them with which there are no more than seven ticks up to `top`."""
    return next((one for one in choices if top / one < 7), choices[-1])
