"""How each kind of panel is drawn into its rectangle of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from tests.dashboards.boards import Doc
from tests.dashboards.canvas import COLOURS, EDGE, FAINT, INK, Canvas, colour, width
from tests.dashboards.panel_data import Line, View
from tests.dashboards.units import shown

LINE = 17  # pixels of a line of a legend


@dataclass(frozen=True)
class Place:
    """What is left of a panel below its title, in pixels."""

    x: float
    y: float
    w: float
    h: float


Painter = Callable[[Canvas, Place, Doc, View], None]


def defaults(panel: Doc) -> Doc:
    found: Doc = panel["fieldConfig"]["defaults"]
    return found


def said(panel: Doc, value: float, name: str = "") -> str:
    """A value of the series `name` in the panel's unit, or in the one that the name has."""
    given = defaults(panel) | override(panel, name)
    return shown(value, given["unit"], given.get("decimals"))


def override(panel: Doc, name: str) -> Doc:
    return {
        change["id"]: change["value"]
        for one in panel["fieldConfig"]["overrides"]
        for change in one["properties"]
        if one["matcher"] == {"id": "byName", "options": name}
    }


def level(panel: Doc, value: float) -> str:
    """The colour of the threshold that a value has reached."""
    steps = defaults(panel)["thresholds"]["steps"]
    reached = [one["color"] for one in steps if one["value"] is None or value >= one["value"]]
    return colour(reached[-1])


def fixed(panel: Doc, name: str, otherwise: str) -> str:
    """The colour that the dashboard gives to the series `name`."""
    given = override(panel, name).get("color")
    return colour(given["fixedColor"]) if given else otherwise


def nothing(canvas: Canvas, place: Place, text: str = "No data") -> None:
    canvas.text(place.x + place.w / 2, place.y + place.h / 2, text, 13, FAINT, "center")


def stat(canvas: Canvas, place: Place, panel: Doc, view: View) -> None:
    found = view.now(panel)
    if not found:
        text = defaults(panel)["noValue"]
        canvas.text(place.x + place.w / 2, place.y + place.h / 2, text, 30, INK, "center", True)
        return
    each = place.w / len(found)
    for i, one in enumerate(found):
        x, text = place.x + (i + 0.5) * each, said(panel, one.value, one.name)
        shade = fixed(panel, one.name, level(panel, one.value))
        size = min(30.0, 30 * (each - 12) / max(width(text, 30, True), 1))
        down = 0.66 if one.name else 0.5
        canvas.text(x, place.y + down * place.h, text, size, shade, "center", True)
        if one.name:
            canvas.text(x, place.y + 0.16 * place.h, one.name, 12, INK, "center", room=each)


def bargauge(canvas: Canvas, place: Place, panel: Doc, view: View) -> None:
    found = [one for one in view.now(panel) if isfinite(one.value)]
    if not found:
        return nothing(canvas, place, defaults(panel)["noValue"])
    high = min(27.0, max(19.0, place.h / len(found)))
    fits = int(place.h // high) if len(found) * high > place.h else len(found)
    left = min(0.42 * place.w, max(width(one.name, 12) for one in found) + 8)
    right = max(width(said(panel, one.value), 12, True) for one in found) + 10
    top = defaults(panel).get("max") or max(0.0, *(one.value for one in found)) or 1.0
    low = min(0.0, *(one.value for one in found), 0.0)
    room = place.w - left - right
    for i, one in enumerate(found[: fits - 1 if fits < len(found) else fits]):
        y, shade = place.y + i * high, level(panel, one.value)
        canvas.text(place.x, y + high / 2, one.name, 12, room=left - 6)
        canvas.box(place.x + left, y + 3, room, high - 6, "#22262b")
        zero = place.x + left + room * -low / (top - low)
        long = room * one.value / (top - low)
        canvas.box(zero + min(long, 0), y + 3, max(abs(long), 1.5), high - 6, shade)
        text = said(panel, one.value)
        canvas.text(place.x + place.w, y + high / 2, text, 12, shade, "right", True)
    more(canvas, place, len(found), fits)


def more(canvas: Canvas, place: Place, there: int, fit: int) -> None:
    """Grafana would scroll."""
    if fit < there:
        text = f"… {there - fit + 1} more, by scrolling"
        canvas.text(place.x, place.y + place.h - 9, text, 11, FAINT)


def table(canvas: Canvas, place: Place, panel: Doc, view: View) -> None:
    columns, rows = view.rows(panel)
    if not rows:
        return nothing(canvas, place)
    texts = [name for name in columns if any(isinstance(row.get(name), str) for row in rows)]

    def cell(name: str, value: str | float) -> str:
        if isinstance(value, str) or name in texts:
            return str(value) if value == value else ""
        return said(panel, value, name)

    lines = [[cell(name, row.get(name, nan)) for name in columns] for row in rows]
    numbers = [name not in texts for name in columns]
    wide = [max(width(name, 12, True), *(width(line[i], 12) for line in lines)) + 24
            for i, name in enumerate(columns)]  # fmt: skip
    scale = place.w / sum(wide)
    high, edges = 22.0, np.cumsum([0.0, *wide]) * scale
    fits = int((place.h - high) // high)
    for i, name in enumerate(columns):
        _cell(canvas, place, edges[i : i + 2], 0, name, numbers[i], "#6e9fff", True)
    for j, line in enumerate(lines[: fits - 1 if fits < len(lines) else fits], 1):
        canvas.box(place.x, place.y + j * high, place.w, 1, EDGE)
        for i, text in enumerate(line):
            _cell(canvas, place, edges[i : i + 2], j, text, numbers[i], INK, False)
    more(canvas, place, len(lines), fits)


def _cell(
    canvas: Canvas, place: Place, edges: Sequence[float], row: int, text: str, number: bool,
    shade: str, bold: bool,
) -> None:  # fmt: skip
    x = place.x + (edges[1] - 8 if number else edges[0] + 4)
    room, align = edges[1] - edges[0] - 8, "right" if number else "left"
    canvas.text(x, place.y + (row + 0.5) * 22, text, 12, shade, align, bold, room)


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
        plot.set_ylim(bottom=one["min"], top=one.get("max", max(plot.get_ylim()[1], 1e-9)))
    plot.grid(True, linewidth=0.8)
    plot.tick_params(labelsize=8, length=0, pad=5)
    for name in ("top", "right", "left"):
        plot.spines[name].set_visible(False)
    if one["unit"] in ("bytes", "binBps"):
        plot.yaxis.set_major_locator(MultipleLocator(_binary(plot.get_ylim()[1])))
    else:
        plot.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    plot.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, one["unit"], None)))
    plot.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 1.5, 2, 3, 6, 10], integer=True))
    plot.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{int(value) // 60}:{int(value) % 60:02d}")
    )


def _binary(top: float) -> float:
    """A distance of ticks that is a round number of KiB, MiB ..., three to seven of them up to
    `top`."""
    power = 1024.0 ** max(0, int(np.log2(max(top, 1)) // 10))
    rounds = [step * power for step in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)]
    return next((one for one in rounds if top / one < 7), 500 * power)


PAINTERS: dict[str, Painter] = {"stat": stat, "bargauge": bargauge, "table": table,
                                "timeseries": timeseries}  # fmt: skip
