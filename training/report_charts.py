"""Plots of the run: seconds, timeline.

in    `Stages`
out   `Plot`s
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from pipeline.units import duration
from training.report_plots import LINE, MAIN, Plot, bars, draw, plain
from training.report_stages import Stages, Tally

SLOTS = 600


def seconds(stages: Stages) -> Plot:
    """Process seconds by group of stages."""
    groups = [group for group in stages.groups if group.shards]
    title = "Process seconds by stage"

    def paint(axes: Axes) -> None:
        texts = [duration(group.seconds) for group in groups]
        bars(axes, [plain(g.name, 34) for g in groups], [g.seconds for g in groups], texts, 1.08)

    said = ", ".join(f"{group.name} {duration(group.seconds)}" for group in groups)
    height = 0.24 * len(groups) + 0.3
    caption = "Summed over all processes."
    return draw(title, caption, f"{title}: {said}", paint, (11.0, height), wide=True)


def timeline(stages: Stages, colours: dict[str, str]) -> Plot:
    """When each stage was at work; families have lanes of their own, in their colours."""
    groups = [group for group in stages.groups if group.bars]
    begin = min(start for start, _, _ in stages.bars)
    heights = [max(1.0, 0.4 * sum(bool(m.bars) for m in g.members)) for g in groups]
    tops = np.cumsum([0.0, *heights])
    factor, unit = (60.0, "minutes") if stages.wall > 180 else (1.0, "seconds")
    title = "When the stages ran"

    def paint(axes: Axes) -> None:
        for top, height, group in zip(tops, heights, groups, strict=False):
            lanes = [member for member in group.members if member.bars]
            lane = (height - 0.24) / len(lanes)
            for i, member in enumerate(lanes):
                spans = [((a - begin) / factor, max(n, stages.wall / SLOTS) / factor)
                         for a, n in merged(member, stages.wall)]  # fmt: skip
                axes.broken_barh(
                    spans, (top + 0.12 + i * lane, lane * 0.94), linewidth=0,
                    facecolor=colours.get(member.family, MAIN),
                )  # fmt: skip
            axes.axhline(top, linewidth=0.5, color=LINE)
        axes.set_yticks(tops[:-1] + np.array(heights) / 2, [plain(g.name, 34) for g in groups])
        axes.set_ylim(tops[-1], 0)
        axes.set_xlim(0, stages.wall / factor or 1)
        axes.set_xlabel(f"{unit} since the start")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        marks = [Patch(facecolor=colour, label=name) for name, colour in colours.items()]
        axes.figure.legend(handles=marks, loc="outside upper left", ncols=8, handlelength=1)

    caption = "A lane is one stage, a bar one shard (of many, those that touch are one)."
    said = f"{title}: {len(stages.bars)} attempts over {duration(stages.wall)}"
    return draw(title, caption, said, paint, (11.0, 0.22 * tops[-1] + 1.1), wide=True)


def merged(tally: Tally, wall: float) -> list[tuple[float, float]]:
    """(start, seconds) of the time a stage was at work; gaps too small to see are closed."""
    found: list[tuple[float, float]] = []
    for start, length, _ in sorted(tally.bars):
        end = start + length
        if found and start - found[-1][1] < wall / SLOTS and len(tally.bars) > SLOTS / 4:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return [(start, end - start) for start, end in found]
