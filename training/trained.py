"""Find a trained detector: a stage of a run, or the two files that were published of it.

runs/demo:deeplabv3plus-binary        as it was committed by the run in runs/demo
deeplabv3plus-binary.safetensors      with deeplabv3plus-binary.json, its curve, beside it
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from pipeline.documents import Curve
from pipeline.errors import CorruptData, InputError
from pipeline.shards import RunFolder, join

SUFFIX = ".safetensors"


def opened(model: str) -> tuple[bytes, Curve]:
    """Its weights and its curve. Raises InputError, which names the models there are, for one that
    is not there; NotReady for one that is not trained yet; CorruptData for a damaged one."""
    if model.endswith(SUFFIX):
        return _files(Path(model))
    folder, colon, trial = model.rpartition(":")
    run = RunFolder(Path(folder if colon else model))
    if not (run.path / "config.yaml").is_file():
        raise InputError(f"{model} is no model: give RUN:TRIAL, where RUN is the folder of a run, "
                         f"or a {SUFFIX} file")  # fmt: skip
    known = trials(run)
    if trial not in known or not colon:
        these = ", ".join(known) if known else "none, since no detector is trained yet"
        raise InputError(f"the run in {run.path} has these models: {these}; give one as "
                         f"{run.path}:NAME")  # fmt: skip
    row = join(run, (f"train-{trial}",), 0).rows["model"]
    weights, curve = row.get("model", "Weights"), row.get("curve", "Curve")
    if weights is None or curve is None:
        raise CorruptData(f"train-{trial} of {run.path} holds no model: train it anew")
    return weights, curve


def trials(run: RunFolder) -> list[str]:
    """The trained detectors of a run, by name."""
    stages = sorted(run.datasets.glob("train-*/00000.json"))
    names = [path.parent.name.removeprefix("train-") for path in stages]
    return [name for name in names if re.fullmatch(r"[a-z0-9-]+", name)]


def _files(path: Path) -> tuple[bytes, Curve]:
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise InputError(f"no file {file}: a model is a {SUFFIX} file with its curve beside "
                             "it, as a run publishes them in models/")  # fmt: skip
    try:
        curve = Curve.model_validate_json(beside.read_bytes())
    except ValidationError as error:
        raise CorruptData(f"{beside} is no curve of a trained detector ({error.error_count()} "
                          "errors): take it from the run that trained it") from None  # fmt: skip
    return path.read_bytes(), curve
