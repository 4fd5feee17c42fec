"""Plots of the detectors: loss, dev scores, confusion.

in    `Trial`s, rows of scores
out   `Plot`s
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from pipeline.documents import Metrics
from training.report_plots import INK, LINE, Plot, draw, plain
from training.report_trials import Trial

POINTS = 300
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


def checks(trials: Sequence[Trial]) -> Plot:
    """Scores on the dev slice by optimiser step; the ring is the step whose weights were kept."""
    title = "Score on the dev slice"
    curves = [(trial.name, trial.curve) for trial in trials if trial.curve and trial.curve.checks]

    def paint(axes: Axes) -> None:
        for name, curve in curves:
            steps, scores = zip(*((one.step, one.score) for one in curve.checks), strict=True)
            (line,) = axes.plot(steps, scores, linewidth=1.6, marker=".", label=plain(name, 30))
            kept = [one for one in curve.checks if one.step == curve.best_step]
            axes.plot([one.step for one in kept], [one.score for one in kept], "o", markersize=10,
                      markerfacecolor="none", color=line.get_color())  # fmt: skip
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("mIoU, or balanced accuracy")
        axes.set_ylim(bottom=0)
        axes.grid()
        axes.legend()

    said = "; ".join(f"{name} kept at step {curve.best_step:,}" for name, curve in curves)
    caption = "Cut from train by source; a ring marks the step whose weights were kept."
    return draw(title, caption, f"{title}: {said}", paint, (4.3, 4.0))


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
