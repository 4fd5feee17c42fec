"""`palimpsest export MODEL --onnx FILE`: a trained detector as one ONNX file.

in    pictures   uint8 (B, S, S, 3) RGB, already at the network's size, resized as the file's
                 metadata say (`resampler`); B is free
out   logits     float32 (B, classes, S, S) in the order of the metadata's `labels`; of a detector
                 of whole pictures (B, 1), the logit of an edit

Normalisation is part of the file. Before the file appears, onnxruntime's logits of random and of
real pictures are held against torch's.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import disk
from pipeline.code import ROOT
from pipeline.errors import OK, InputError, PalimpsestError
from pipeline.photographs import is_photograph
from training import trained
from training.predict_pictures import opened

if TYPE_CHECKING:
    import onnx
    import torch
    from numpy.typing import NDArray

    from training.predicting import Predictor

    Bytes = NDArray[np.uint8]

#: Read by every onnxruntime since 1.14.
OPSET = 18
#: Of the logits, relative to the largest of them where that is above one.
TOLERANCE = 1e-4
RANDOM, REAL = 3, 3


def main(args: argparse.Namespace) -> int:
    target: Path = args.onnx
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"--onnx {target}: give the path of a file in a folder that is there")
    weights, curve = trained.opened(args.model)
    from training.predicting import Predictor

    predictor = Predictor(weights, curve)
    data = exported(predictor)
    real = real_pictures(args.model, side(predictor))
    error = compared(predictor, data, real)
    disk.replace(target, data)
    print(f"{target}: {len(data) / 1e6:.1f} MB, ONNX opset {OPSET}; its logits differ from torch's "
          f"by at most {error:.1e} (relative, {TOLERANCE:.0e} allowed) on {RANDOM} random and "
          f"{len(real)} real pictures")  # fmt: skip
    return OK


def side(predictor: Predictor) -> int:
    """The side of the pictures that go in, px: the network's size; of a detector of whole pictures
    that of the part it looks at."""
    if predictor.task != "image":
        return predictor.size
    loaded = predictor.recipe.load or predictor.size
    return min(predictor.recipe.crop or loaded, loaded)


def exported(predictor: Predictor) -> bytes:
    """The ONNX file, checked by onnx's own checker."""
    import onnx
    import torch

    size = side(predictor)
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        _whole(predictor), (example,), input_names=["pictures"], output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},), opset_version=OPSET,
        dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    assert program is not None
    found: onnx.ModelProto = program.model_proto
    onnx.helper.set_model_props(found, _about(predictor))
    onnx.checker.check_model(found, full_check=True)
    data: bytes = found.SerializeToString()
    return data


def _about(predictor: Predictor) -> dict[str, str]:
    curve = predictor.curve
    return {"detector": curve.detector, "task": curve.task, "encoder": curve.encoder,
            "labels": json.dumps(curve.labels), "size": str(side(predictor)),
            "resampler": curve.resampler, "input": "uint8 RGB (batch, size, size, 3)",
            "output": "logits float32"}  # fmt: skip


def _whole(predictor: Predictor) -> torch.nn.Module:
    """The network behind its normalisation, as `augment.to_network` has it."""
    import torch

    recipe = predictor.recipe
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (recipe.mean, recipe.std))

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = predictor.model
            self.mean, self.std = torch.nn.Buffer(mean), torch.nn.Buffer(std)

        def forward(self, pictures: torch.Tensor) -> Any:
            pixels = pictures.permute(0, 3, 1, 2).float()
            pixels = pixels.flip(1) if recipe.bgr else pixels / 255
            return self.network((pixels - self.mean) / self.std)

    return Whole().eval()


def compared(predictor: Predictor, data: bytes, real: list[Bytes]) -> float:
    """The largest difference between onnxruntime's logits and torch's, relative to the largest
    logit where that is above one. Raises PalimpsestError if it is above `TOLERANCE`."""
    import onnxruntime

    size = side(predictor)
    draw = np.random.default_rng(0)
    pictures = [*draw.integers(0, 256, (RANDOM, size, size, 3)).astype(np.uint8), *real]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in (pictures[:1], pictures[1:3], pictures[3:]):  # the batch is free: try it
        if not batch:
            continue
        stacked = np.stack(batch)
        (got,) = session.run(["logits"], {"pictures": stacked})
        wanted = predictor.logits(stacked).cpu().numpy()
        if got.shape != wanted.shape:
            raise PalimpsestError(f"ONNX gives logits {got.shape}, torch {wanted.shape}")
        scale = max(1.0, float(np.abs(wanted).max()))
        worst = max(worst, float(np.abs(got - wanted).max()) / scale)
    if not worst <= TOLERANCE:
        raise PalimpsestError(f"the ONNX logits differ from torch's by {worst:.1e}, more than "
                              f"{TOLERANCE:.0e}: nothing was written")  # fmt: skip
    return worst


def real_pictures(model: str, size: int) -> list[Bytes]:
    """A few pictures (size, size, 3): of the run's val split, else the sample photographs."""
    from PIL import Image

    found: list[Image.Image] = [
        Image.open(io.BytesIO(raw), formats=("PNG",)) for raw in _of_run(model)
    ]
    if not found:
        photos = sorted((ROOT / "tests" / "data" / "photos").rglob("*"))
        found = [opened(path) for path in [p for p in photos if is_photograph(p)][:REAL]]
    return [np.asarray(one.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
            for one in found]  # fmt: skip


def _of_run(model: str) -> list[bytes]:
    from pipeline.shards import RunFolder, join

    run = RunFolder(Path(model.rpartition(":")[0]))
    found: list[bytes] = []
    for path in sorted((run.datasets / "assemble-val").glob("?????.json")):
        if len(found) < REAL:
            rows = list(join(run, ("assemble-val",), int(path.stem)).rows.values())
            found += [raw for row in rows[:REAL] if (raw := row.raw("image.png")) is not None]
    return found[:REAL]
