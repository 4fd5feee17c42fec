"""Plots of the detectors and of the run: loss, confusion, seconds, timeline.

in    `Trial`s, `Stages`
out   `Plot`s
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from training.report_data import Trial
from training.report_plots import INK, LINE, MAIN, Plot, bars, draw, plain
from training.report_stages import Stages, Tally

POINTS, SLOTS = 300, 600
#: From nothing at all to blue: what lies below may be light or dark.
BLUES = LinearSegmentedColormap.from_list("blues", [(0.1, 0.41, 0.7, 0.0), (0.1, 0.41, 0.7, 1.0)])


def losses(trials: Sequence[Trial]) -> Plot:
    """Mean loss by optimiser step; long curves are averaged to a few hundred points."""
    title = "Loss while training"
    curves = [(trial.name, np.array(trial.curve.loss)) for trial in trials if trial.curve]

    def paint(axes: Axes) -> None:
        for name, loss in curves:
            parts = np.array_split(loss, min(len(loss), POINTS))
            ends = np.cumsum([len(part) for part in parts])
            axes.plot(ends, [part.mean() for part in parts], linewidth=1.6, label=plain(name, 30))
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("cross-entropy")
        axes.set_ylim(bottom=0)
        axes.grid()
        axes.legend()

    said = "; ".join(f"{name} from {c[0]:.3f} to {c[-1]:.3f}" for name, c in curves if len(c))
    return draw(title, "Mean over the pixels of a batch.", f"{title}: {said}", paint, (4.3, 4.0))


def confusion(trial: Trial) -> Plot:
    """Rows are the truth and sum to one."""
    names = [plain(name, 12) for name in ("untouched", *trial.metrics.iou)]
    matrix = np.array(trial.metrics.confusion, float)
    sums = matrix.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(matrix, sums, where=sums > 0, out=np.zeros_like(matrix))

    def paint(axes: Axes) -> None:
        axes.pcolormesh(shares, cmap=BLUES, vmin=0, vmax=1, edgecolors=LINE, linewidth=0.5)
        for (row, column), share in np.ndenumerate(shares):
            text = f"{share:.2f}".removeprefix("0") if sums[row, 0] else "–"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8,
                      color="#ffffff" if share > 0.6 else INK)  # fmt: skip
        spots = np.arange(len(names)) + 0.5
        axes.set_xticks(spots, names, rotation=45, ha="right")
        axes.set_yticks(spots, names)
        axes.tick_params(length=0)
        axes.set_xlabel("prediction")
        axes.set_ylabel("truth")
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)

    title = f"Who is taken for whom: {plain(trial.detector, 30)}"
    said = ", ".join(f"{name} {shares[i, i]:.2f}" for i, name in enumerate(names))
    caption = "Share of each true class's pixels (a row sums to 1; – = no such pixel in val)."
    return draw(title, caption, f"{title}. On the diagonal: {said}", paint, (4.6, 4.6))


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


def duration(seconds: float) -> str:
    """1.4 s, 3 min 20 s, 5 h 07 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"
