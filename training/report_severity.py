"""How scores fall with the severity of a distortion: one plot for each distortion and task.

in    the rows of the protocol "severity"
out   `Plot`s: accuracy and mIoU by amount, each with the band of its 95 % interval
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.documents import Figure, Metrics
from training.report_columns import three
from training.report_conditions import CLEAN, KINDS, split
from training.report_plots import COLOURS, INK, Plot, draw, plain

FIGURES: dict[str, tuple[str, Literal["--", "-"]]] = {
    "accuracy": ("accuracy", "--"), "miou": ("mIoU", "-"),
}  # fmt: skip
TASKS = ("binary", "semantic")
#: A smaller amount is the harsher one.
FALLING = frozenset({"jpeg", "webp", "crop"})
Points = list[tuple[float, Figure]]


def plots(rows: Sequence[Metrics]) -> list[Plot]:
    """Distortions of a single amount have no curve; their scores are in the table alone."""
    found = []
    for kind, task in product(KINDS, TASKS):
        mine = [row for row in rows if row.task == task]
        known = [(row, split(row.condition)) for row in mine]
        graded = [(row, parts[1]) for row, parts in known if parts and parts[0] == kind]
        if len({amount for _, amount in graded}) > 1:
            found.append(_plot(kind, task, graded, [row for row in mine if row.condition == CLEAN]))
    return found


def _plot(
    kind: str, task: str, graded: Sequence[tuple[Metrics, float]], clean: Sequence[Metrics]
) -> Plot:
    name, unit = KINDS[kind]
    title, names = f"{name}, {task}", list(dict.fromkeys(row.detector for row, _ in graded))
    colours = {detector: COLOURS[i % len(COLOURS)] for i, detector in enumerate(names)}
    amounts = sorted({amount for _, amount in graded}, reverse=kind in FALLING)

    def paint(axes: Axes) -> None:
        for detector, (key, (_, style)) in product(names, FIGURES.items()):
            points = _points(graded, detector, key)
            spots = [amounts.index(amount) for amount, _ in points]
            values = [figure.value for _, figure in points]
            axes.plot(spots, values, style, marker=".", linewidth=1.6, color=colours[detector])  # type: ignore[arg-type]
            banded = [(x, f.low, f.high) for x, (_, f) in zip(spots, points, strict=True)
                      if f.low is not None and f.high is not None]  # fmt: skip
            axes.fill_between([x for x, _, _ in banded], [low for _, low, _ in banded],
                              [high for _, _, high in banded], color=colours[detector], alpha=0.18,
                              linewidth=0)  # fmt: skip
            for row in (row for row in clean if row.detector == detector and key in row.figures):
                axes.axhline(row.figures[key].value or 0.0, linewidth=1.1, linestyle=":",
                             color=colours[detector])  # fmt: skip
        axes.set_xticks(range(len(amounts)), [f"{amount:g}" for amount in amounts])
        axes.set_xlabel(unit + " (harsher to the right)" * (kind != "rescale"))
        axes.set_ylim(0, 1)
        axes.grid(axis="y")
        marks = [Line2D([], [], color=colours[n], label=plain(n, 18)) for n in names]
        marks += [Line2D([], [], color=INK, linestyle=style, label=label)
                  for label, style in FIGURES.values()]  # fmt: skip
        axes.figure.legend(handles=marks, loc="outside upper left", ncols=3, handlelength=1.6)

    said = "; ".join(
        f"{plain(detector)} mIoU " + ", ".join(
            f"{amount:g}: {three(figure.value)}"
            for amount, figure in _points(graded, detector, "miou"))
        for detector in names
    )  # fmt: skip
    caption = "Bands are 95 % intervals; dotted, the undistorted pictures."
    return draw(title, caption, f"{title}. {said}", paint)


def _points(graded: Sequence[tuple[Metrics, float]], detector: str, key: str) -> Points:
    """What was scored, by amount, in the order of the plot."""
    found = [
        (amount, row.figures[key]) for row, amount in graded
        if row.detector == detector and key in row.figures and row.figures[key].value is not None
    ]  # fmt: skip
    falling = bool(graded) and (split(graded[0][0].condition) or ("",))[0] in FALLING
    return sorted(found, key=lambda point: point[0], reverse=falling)
