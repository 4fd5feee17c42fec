"""Plots of the detectors: loss and dev scores, confusion.

in    `Trial`s, rows of scores
out   `Plot`s
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from pipeline.documents import Curve, Metrics
from training.report_plots import COLOURS, INK, LINE, Plot, draw, plain
from training.report_trials import Trial

POINTS = 300
RINGS = (
    "Dashed: mIoU (of whole pictures, balanced accuracy) on the dev slice, which is cut from train "
    "by source; a ring marks the step that was kept."
)
#: From nothing at all to blue: what lies below may be light or dark.
BLUES = LinearSegmentedColormap.from_list("blues", [(0.1, 0.41, 0.7, 0.0), (0.1, 0.41, 0.7, 1.0)])


def curves(trials: Sequence[Trial]) -> list[Plot]:
    """A plot for each detector and task, since losses of different ones cannot be compared."""
    found: dict[tuple[str, str], list[tuple[str, Curve]]] = {}
    for trial in trials:
        if trial.curve and trial.curve.loss:
            alike = found.setdefault((trial.of.detector, trial.of.task), [])
            alike.append((trial.of.subset, trial.curve))
    return [_curves(f"{plain(detector, 30)}, {task}", alike)
            for (detector, task), alike in found.items()]  # fmt: skip


def _curves(title: str, alike: Sequence[tuple[str, Curve]]) -> Plot:
    """Mean loss by optimiser step, long ones averaged to a few hundred points; on the right the
    score on the dev slice, with a ring at the step whose weights were kept."""
    checked = any(curve.checks for _, curve in alike)

    def paint(axes: Axes) -> None:
        right = axes.twinx() if checked else None
        for i, (subset, curve) in enumerate(alike):
            loss, colour = np.array(curve.loss), COLOURS[i % len(COLOURS)]
            parts = np.array_split(loss, min(len(loss), POINTS))
            ends = np.cumsum([len(part) for part in parts])
            axes.plot(ends, [part.mean() for part in parts], linewidth=1.6, color=colour,
                      label=plain(subset, 30))  # fmt: skip
            if right:
                _checks(right, curve, colour)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("loss")
        axes.set_ylim(bottom=0)
        axes.grid()
        if right:
            right.set_ylabel("score on the dev slice")
            right.set_ylim(0, 1)
            right.spines["right"].set_visible(True)
        axes.figure.legend(loc="outside upper left", ncols=2, handlelength=1.6)

    said = "; ".join(
        f"{plain(subset, 40)}: loss from {curve.loss[0]:.3f} to {curve.loss[-1]:.3f}, kept at step "
        f"{curve.best_step:,} of {curve.steps:,}" for subset, curve in alike
    )  # fmt: skip
    caption = RINGS if checked else "Without a dev slice the last step is kept."
    return draw(title, caption, f"Training of {title}. {said}", paint, (4.3, 3.4))


def _checks(axes: Axes, curve: Curve, colour: str) -> None:
    steps, scores = [one.step for one in curve.checks], [one.score for one in curve.checks]
    axes.plot(steps, scores, "--", marker=".", linewidth=1.2, color=colour)
    kept = [(one.step, one.score) for one in curve.checks if one.step == curve.best_step]
    axes.plot([step for step, _ in kept], [score for _, score in kept], "o", markersize=10,
              markerfacecolor="none", color=colour)  # fmt: skip


def confusion(detector: str, metrics: Metrics) -> Plot:
    """The paper's figure 5. Rows are the truth and sum to one."""
    names = [plain(name, 12) for name in ("untouched", *metrics.iou)]
    matrix = np.array(metrics.confusion, float)
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

    title = f"Who is taken for whom: {plain(detector, 30)}"
    said = ", ".join(f"{name} {shares[i, i]:.2f}" for i, name in enumerate(names))
    caption = "Share of each true class's pixels (a row sums to 1; – = no such pixel in val)."
    return draw(title, caption, f"{title}. On the diagonal: {said}", paint, (4.6, 4.6))
