"""All runs of a namespace as a table in a terminal."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cluster.api import Object
from pipeline.cluster.nodes import GOOD, Hidden, parameters, phase, run_of
from pipeline.cluster.screen import COLOURS, every_step, time_of
from pipeline.events import clean


def table(every: list[Object], now: datetime, namespace: str) -> RenderableType:
    if not every:
        return Text(f"no runs in namespace {namespace}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("run", "workflow", "phase", "steps", "time", "partitions"):
        table.add_column(column, no_wrap=True)
    for one in every:
        state = phase(one)
        table.add_row(
            clean(run_of(one)), one["metadata"]["name"], Text(state, COLOURS.get(state, "")),
            _counted(one), time_of(one, now), clean(parameters(one).get("partitions", "")),
        )  # fmt: skip
    return table


def _counted(one: Object) -> str:
    try:
        every = every_step(one)
    except Hidden:
        return "hidden"
    return f"{sum(step.phase == GOOD for step in every)}/{len(every)}"
