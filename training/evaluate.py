"""Score one trained detector on the val split and keep every predicted label map.

    python -m training.evaluate --run DIR --detector deeplabv3plus --task binary

All scores are taken at the network's size, against masks resized to it (nearest).
"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import numpy as np

from pipeline import events, stage
from pipeline.documents import Curve, Metrics
from pipeline.errors import InputError, guard
from pipeline.loop import Clock, publish
from pipeline.records import Evaluated
from pipeline.shards import join
from pipeline.stage import Context
from training import data, ddp, detectors, metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE_PX = 2


def main(argv: list[str]) -> int:
    context = stage.context("training.evaluate", argv)
    if context.run.committed(context.stage.name, 0):
        events.say("already-committed", "already committed")
        return 0
    return run(context)


def run(context: Context) -> int:
    """Load, predict, score, commit."""
    args, config, clock = context.args, context.config, Clock()
    section = config.detectors[args.detector]
    trained = f"train-{args.detector}-{args.task}"
    with clock.phase("load"):
        joined = join(context.run, [trained], 0)
        weights: bytes = joined.rows["model"].get("model", "Weights")
        curve: Curve = joined.rows["model"].get("curve", "Curve")
        split = data.load(context.run, config, "val", args.task, curve.size)
    with clock.phase("predict"):
        predicted = predict(weights, curve, split.images, section.batch, section.device)
    with clock.phase("score"):
        names = data.class_labels(config, args.task)
        scores = score(split, predicted, curve, list(names))
    values = np.array(list(names.values()), np.uint8)
    records = {
        key: Evaluated(prediction=values[labels])
        for key, labels in zip(split.keys, predicted, strict=True)
    }
    records["scores"] = Evaluated(metrics=scores)
    parents = split.parents | {f"{name}/00000": sha for name, sha in joined.parents.items()}
    digest = hashlib.sha256(weights).hexdigest()[:16]
    publish(context, records, split.keys, parents, clock, digest)
    events.say(
        "scored", "{samples} samples, mIoU {miou:.3f}, bF1@{tolerance_px}px {bf1:.3f}, accuracy "
        "{accuracy:.3f} (edited pixels {accuracy_foreground:.3f}, their share "
        "{edited_pixel_fraction:.3f})", samples=scores.samples, miou=scores.miou,
        tolerance_px=TOLERANCE_PX, bf1=scores.bf1, accuracy=scores.accuracy,
        accuracy_foreground=scores.accuracy_foreground,
        edited_pixel_fraction=scores.edited_pixel_fraction,
    )  # fmt: skip
    return 0


def predict(
    weights: bytes, curve: Curve, images: NDArray[np.uint8], batch: int, device: str
) -> NDArray[np.uint8]:
    """(N, S, S, 3) uint8 -> the likeliest class of each pixel, (N, S, S) uint8."""
    import torch
    from safetensors.torch import load

    with ddp.world(device) as world, torch.inference_mode():
        model = detectors.build(curve.detector, curve.classes, curve.encoder, pretrained=False)
        model.load_state_dict(load(weights))
        model = model.to(world.device).eval()
        found = np.empty(images.shape[:3], np.uint8)
        for start in range(0, len(images), batch):
            some = slice(start, start + batch)
            likeliest = model(data.to_network(images[some], world.device)).max(dim=1).indices
            found[some] = likeliest.to(torch.uint8).cpu().numpy()
    return found


def score(
    split: data.Split, predicted: NDArray[np.uint8], curve: Curve, names: list[str]
) -> Metrics:
    """All scores of `predicted` (N, S, S) against `split.labels`; `names` are the classes'."""
    pairs = list(zip(split.labels, predicted, strict=True))
    classes = len(names)
    matrix = np.zeros((classes, classes), np.int64)
    for gt, pred in pairs:
        matrix += metrics.confusion(gt, pred, classes)
    if not matrix[1:].any():
        raise InputError(f"no pixel of the {len(pairs)} samples in assemble-val is edited, so "
                         "nothing can be scored: begin a new run with more samples")  # fmt: skip
    ious = metrics.iou(matrix)
    return Metrics(
        detector=curve.detector, task=curve.task, split="val", size=curve.size, samples=len(pairs),
        accuracy=metrics.accuracy(matrix), accuracy_foreground=metrics.accuracy_foreground(matrix),
        miou=metrics.miou(matrix), bf1=metrics.mean_bf1(pairs, classes, TOLERANCE_PX),
        bf1_tolerance_px=TOLERANCE_PX, iou=dict(zip(names[1:], ious[1:], strict=True)),
        edited_pixel_fraction=metrics.edited_pixel_fraction(matrix),
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
