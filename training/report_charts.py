"""Plots of the run: seconds, timeline, what samples took.

in    `Stages`; a `Cost`
out   `Plot`s
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from pipeline.cost import Cost
from pipeline.fates import Fate
from pipeline.units import duration
from training.report_cost import shown
from training.report_plots import COLOURS, LINE, MAIN, SECOND, Plot, bars, draw, plain
from training.report_stages import Stages, Tally

SLOTS = 600
FATES: dict[Fate, str] = {
    "kept": MAIN, "filtered": SECOND, "quarantined": COLOURS[3], "undecided": LINE,
}  # fmt: skip


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


def costs(found: Cost) -> list[Plot]:
    """A stacked bar for each family: seconds by what became of the samples. None where no family
    has worked."""
    lines = [one for one in found.families if one.seconds]
    if not any(one.family for one in lines):
        return []
    title, top = "Where the time went", max(one.seconds for one in lines)
    fates = [fate for fate in shown(found) if any(one.fates[fate] for one in lines)]
    factor, unit = ((3600, "hours") if top > 10_800 else (60, "minutes") if top > 180 else
                    (1, "seconds"))  # fmt: skip
    names = [f"{plain(one.name)}, {one.device.upper()}" for one in lines]

    def paint(axes: Axes) -> None:
        left = np.zeros(len(lines))
        for fate in fates:
            widths = np.array([one.fates[fate] / factor for one in lines])
            axes.barh(names, widths, left=left, color=FATES[fate], height=0.72)
            left += widths
        for i, one in enumerate(lines):
            axes.text(left[i] + top / factor * 0.01, i, duration(one.seconds), va="center")
        axes.set_ylim(max(len(lines), 4) - 0.4, -0.6)
        axes.set_xlim(0, top / factor * 1.12)
        axes.set_xlabel(unit)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        marks = [Patch(facecolor=FATES[fate], label=f"{fate} samples") for fate in fates]
        axes.figure.legend(handles=marks, loc="outside upper left", ncols=4, handlelength=1)

    told = (", ".join(f"{fate} {duration(one.fates[fate])}" for fate in fates) for one in lines)
    said = "; ".join(f"{name}: {text}" for name, text in zip(names, told, strict=True))
    caption = "By what became of the samples in the end; “others” are the stages of no family."
    height = 0.27 * len(lines) + 1.1
    return [draw(title, caption, f"{title}. {said}", paint, (11.0, height), wide=True)]
