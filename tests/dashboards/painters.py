"""How each kind of panel is drawn into its rectangle of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, nan

from tests.dashboards.boards import Doc
from tests.dashboards.canvas import EDGE, FAINT, INK, Canvas, width
from tests.dashboards.looks import Place, defaults, fixed, level, nothing, said
from tests.dashboards.panel_data import View
from tests.dashboards.plots import timeseries

Painter = Callable[[Canvas, Place, Doc, View], None]


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
    high, edges = 22.0, [scale * sum(wide[:i]) for i in range(len(wide) + 1)]
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


PAINTERS: dict[str, Painter] = {"stat": stat, "bargauge": bargauge, "table": table,
                                "timeseries": timeseries}  # fmt: skip
