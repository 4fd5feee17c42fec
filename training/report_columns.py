"""How a score is called and written.

in    rows of scores
out   heads of columns (each boundary F1 names its tolerance), values with their intervals
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import Config
from pipeline.documents import Figure, Metrics

DASH = "–"
PIXELS = {
    "accuracy": "accuracy", "miou": "mIoU", "bf1_2px": "bF1 at 2 px",
    "accuracy_foreground": "accuracy on edited pixels", "miou_per_image": "mIoU, mean of pictures",
    "bf1_diagonal": "bF1 at 0.75 % of the diagonal",
    "bf1_davis": "bF1 at 0.8 % of the diagonal, rounded up (DAVIS)",
    "edited_pixel_fraction": "edited pixels",
}  # fmt: skip
PICTURES = {
    "accuracy": "accuracy at 0.5", "ap": "AP of edited", "ap_mean": "AP, mean of both classes",
    "accuracy_balanced": "balanced accuracy at the balanced threshold",
    "threshold_balanced": "balanced threshold", "true_positive_rate": "true positives",
    "false_positive_rate": "false positives",
}  # fmt: skip
#: The IoU of the one family that table 4 is about; its row has it among `Metrics.iou`.
IOU = "iou"


def family(config: Config, row: Metrics) -> str:
    """Whose turns a row of table 4 is about; "" for every other row."""
    if row.protocol != "table4":
        return ""
    names = {variant.replace("_", "-"): of for variant, of in config.replays.items()}
    return next((of for name, of in names.items() if row.condition.startswith(f"{name}-")), "")


def heads(config: Config, rows: Sequence[Metrics]) -> dict[str, str]:
    """Figure -> head, of those that the rows have; figures without a name come last, as they are
    called."""
    named = dict(PICTURES if any("ap" in row.figures for row in rows) else PIXELS)
    if any(row.protocol == "classifiers" for row in rows):
        named["accuracy"] = "accuracy"
    sizes = sorted({row.size for row in rows if row.size})
    for key, share in (("bf1_diagonal", 0.0075), ("bf1_davis", 0.008)):
        if key in named and sizes:
            named[key] += f" = {_tolerance(key, share, sizes)} px"
    families = dict.fromkeys(name for name in (family(config, row) for row in rows) if name)
    if families:
        named = {IOU: f"IoU of {' or '.join(families)}"} | named
    there = {IOU: None} if families else {}
    there |= dict.fromkeys(key for row in rows for key in row.figures)
    found = {key: head for key, head in named.items() if key in there}
    return found | {key: key.replace("_", " ") for key in there if key not in found}


def _tolerance(key: str, share: float, sizes: Sequence[int]) -> str:
    """The tolerance in pixels, of the smallest and the largest side."""
    found = [share * 2**0.5 * size for size in (sizes[0], sizes[-1])]
    texts = [f"{-(-pixels // 1):g}" if key == "bf1_davis" else f"{pixels:.1f}" for pixels in found]
    return "–".join(dict.fromkeys(texts))


def paper(key: str) -> str:
    """The head of the paper's column beside a figure."""
    return "paper, tolerance not named" if key.startswith("bf1") else "paper"


def value(config: Config, row: Metrics, key: str) -> tuple[str, str]:
    """A figure and its interval; a dash for one without a value and in a row without pictures,
    nothing where a row has other figures."""
    figure = row.figures.get(key)
    if figure is None and key == IOU:
        figure = Figure(value=row.iou.get(family(config, row)))
    if figure is None:
        return ("" if row.samples else DASH), ""
    return three(figure.value), interval(figure)


def three(value: float | None) -> str:
    """A score with three digits; a dash where there is nothing to score."""
    return DASH if value is None or value != value else f"{value:.3f}"


def interval(figure: Figure) -> str:
    """Its 95 % interval, "" if it has none."""
    if figure.value is None or figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:.3f}–{figure.high:.3f}"
