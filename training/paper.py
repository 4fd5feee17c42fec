"""The published figures that ours stand beside, as data: each with its table and row.

in    "DiffSeg30k" as first submitted, tables 2 to 7, transcribed; nothing is computed from them
out   `find`: the figures of the row that a protocol, a detector, a task and a set of pictures match

The paper's boundary F1 has no named tolerance; it stands beside ours at 2 px (see report_notes.py).
Its second version has tables that are not in here.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import ProtocolName
from pipeline.documents import Task

#: What the paper calls the pairs that tables 5 and 7 hold out, as our families.
PAIRS = {
    "Flux_Hunyuan": frozenset({"flux", "hunyuan"}),
    "SD2_SD3.5": frozenset({"sd2", "sd35"}),
    "Glide_Kolors": frozenset({"glide", "kolors"}),
}
#: How the paper's detectors were built and fed: what differs in a run is said in its row.
ENCODERS = {"fcn8s": "vgg16", "deeplabv3plus": "resnet50", "cnnspot": "resnet50"}
SIZE, TRAIN, VAL, UNEDITED, RESOLUTION = 512, 24_000, 6_000, 5_000, 1024


@dataclass(frozen=True, slots=True)
class Published:
    """One row of a table. `condition` is the distortion, who painted or the pair held out; "" is
    the undistorted base. `figures` bear the names of `documents.Metrics.figures`; "iou" is the
    IoU of the one class that table 4 looks at."""

    protocol: ProtocolName
    row: str
    detector: str
    task: Task
    condition: str
    figures: dict[str, float]

    @property
    def where(self) -> str:
        return f"table {self.protocol.removeprefix('table')}, row {self.row}"


def _pixels(accuracy: float, miou: float, bf1: float) -> dict[str, float]:
    return {"accuracy": accuracy, "miou": miou, "bf1_2px": bf1}


def _pair(
    protocol: ProtocolName, row: str, detector: str, condition: str,
    binary: tuple[float, float, float], semantic: tuple[float, float, float],
) -> tuple[Published, Published]:  # fmt: skip
    return (
        Published(protocol, row, detector, "binary", condition, _pixels(*binary)),
        Published(protocol, row, detector, "semantic", condition, _pixels(*semantic)),
    )


def _unseen(row: str, accuracy: float, miou: float, bf1: float) -> Published:
    condition = "" if row == "Baseline" else row
    figures = _pixels(accuracy, miou, bf1)
    return Published("table5", row, "deeplabv3plus", "binary", condition, figures)


def _pictures(
    protocol: ProtocolName, row: str, detector: str, condition: str, accuracy: float, ap: float
) -> Published:
    return Published(protocol, row, detector, "image", condition, {"accuracy": accuracy, "ap": ap})


DEEPLAB, UFD = "deeplabv3plus", "universalfakedet"
PUBLISHED: tuple[Published, ...] = (
    # The scan of table 2 breaks FCN-8s into two runs of numbers: accuracy and mIoU twice, bF1 twice
    *_pair("table2", "FCN-8s", "fcn8s", "", (0.566, 0.366, 0.192), (0.363, 0.053, 0.039)),
    *_pair("table2", "DeepLabv3+", DEEPLAB, "", (0.984, 0.974, 0.761), (0.916, 0.760, 0.431)),
    *_pair("table3", "Baseline", DEEPLAB, "", (0.984, 0.974, 0.761), (0.916, 0.760, 0.431)),
    *_pair("table3", "JPEG 60", DEEPLAB, "jpeg-60", (0.867, 0.782, 0.556), (0.184, 0.013, 0.019)),
    *_pair("table3", "JPEG 80", DEEPLAB, "jpeg-80", (0.907, 0.847, 0.613), (0.190, 0.014, 0.019)),
    *_pair("table3", "resize 256", DEEPLAB, "resize-256",
           (0.811, 0.751, 0.631), (0.021, 0.012, 0.021)),
    *_pair("table3", "resize 1024", DEEPLAB, "resize-1024",
           (0.816, 0.729, 0.499), (0.168, 0.168, 0.014)),
    Published("table4", "SDXL", DEEPLAB, "semantic", "sdxl-lora-stored", {"iou": 0.657}),
    Published("table4", "SDXL-LoRA", DEEPLAB, "semantic", "sdxl-lora-replayed", {"iou": 0.630}),
    _unseen("Baseline", 0.984, 0.974, 0.761),
    _unseen("Flux_Hunyuan", 0.920, 0.867, 0.526),
    _unseen("SD2_SD3.5", 0.931, 0.833, 0.372),
    _unseen("Glide_Kolors", 0.953, 0.927, 0.648),
    _pictures("table6", "CNNSpot", "cnnspot", "", 0.942, 0.979),
    _pictures("table6", "UniversalFakeDet", UFD, "", 0.860, 0.934),
    _pictures("table7", "Baseline", UFD, "", 0.860, 0.934),
    _pictures("table7", "Flux_Hunyuan", UFD, "Flux_Hunyuan", 0.768, 0.877),
    _pictures("table7", "SD2_SD3.5", UFD, "SD2_SD3.5", 0.714, 0.817),
    _pictures("table7", "Glide_Kolors", UFD, "Glide_Kolors", 0.749, 0.844),
)  # fmt: skip
_ROWS: dict[tuple[str, str, str, str], Published] = {
    (one.protocol, one.detector, one.task, one.condition): one for one in PUBLISHED
}


def find(protocol: str, detector: str, task: str, condition: str) -> Published | None:
    """The paper's row; None where it has none."""
    return _ROWS.get((protocol, detector, task, condition))


def pair(families: frozenset[str]) -> str | None:
    """What the paper calls a pair of families held out; None for any other group."""
    return next((name for name, pair in PAIRS.items() if pair == families), None)
