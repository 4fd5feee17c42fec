"""What all kinds of panels share: where they are drawn, in which unit and colour."""

from __future__ import annotations

from dataclasses import dataclass

from tests.dashboards.boards import Doc
from tests.dashboards.canvas import FAINT, Canvas, colour
from tests.dashboards.units import shown


@dataclass(frozen=True)
class Place:
    """What is left of a panel below its title, in pixels."""

    x: float
    y: float
    w: float
    h: float


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
