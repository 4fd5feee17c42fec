"""Draw dashboards from what a Prometheus has recorded, for the docs: no Grafana took part.

The same queries, grid, units, legends and thresholds; what Grafana does with a mouse is missing.
Times count from the start of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.dashboards import boards
from tests.dashboards.boards import Doc
from tests.dashboards.canvas import EDGE, FAINT, INK, PANEL, Canvas, styled
from tests.dashboards.looks import Place
from tests.dashboards.painters import PAINTERS
from tests.dashboards.panel_data import View
from tests.dashboards.watched import Watched

WIDTH, HEAD, MARGIN = 1600, 52, 8
#: Of a row of the grid, with the gap below it.
CELL = 38


def draw(watched: Watched, name: str, seconds: float, path: Path) -> None:
    """A dashboard as it stood `seconds` after the start of the run, as a PNG."""
    board = boards.read(name)
    rows = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in board["panels"])
    view = View(watched, board, seconds)
    with styled():
        canvas = Canvas(WIDTH, HEAD + rows * CELL + MARGIN)
        _head(canvas, board, view)
        for panel in board["panels"]:
            _panel(canvas, panel, view)
        canvas.save(path)


def _head(canvas: Canvas, board: Doc, view: View) -> None:
    canvas.text(MARGIN + 6, HEAD / 2, board["title"], 19, INK, bold=True)
    whole = view.watched.end - view.watched.start
    chosen = "   ".join(f"{one['label']}: All" for one in board["templating"]["list"]
                        if one["type"] == "query")  # fmt: skip
    seen = f"at {_clock(view.seconds)} of {_clock(whole)}" if view.seconds < whole else "at its end"
    said = f"{chosen}      the demo {seen}, drawn by tests/dashboards/draw.py"
    canvas.text(WIDTH - MARGIN - 6, HEAD / 2, said, 13, FAINT, "right")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def _panel(canvas: Canvas, panel: Doc, view: View) -> None:
    grid, column = panel["gridPos"], (WIDTH - 2 * MARGIN) / 24
    x, y = MARGIN + grid["x"] * column, HEAD + grid["y"] * CELL
    w, h = grid["w"] * column - MARGIN, grid["h"] * CELL - MARGIN
    if panel["type"] == "row":
        canvas.text(x + 6, y + h / 2, f"▾  {panel['title']}", 14, INK, bold=True)
        return
    canvas.box(x - 1, y - 1, w + 2, h + 2, EDGE, 3)
    canvas.box(x, y, w, h, PANEL, 2)
    canvas.text(x + 10, y + 16, panel["title"], 13, INK, bold=True, room=w - 16)
    PAINTERS[panel["type"]](canvas, Place(x + 12, y + 34, w - 24, h - 42), panel, view)


def draw_all(watched: Watched, moments: Mapping[str, float], folder: Path) -> list[Path]:
    """All of them, each at its moment in seconds after the start."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in boards.NAMES:
        paths.append(folder / f"dashboard-{name}.png")
        draw(watched, name, moments[name], paths[-1])
    return paths
