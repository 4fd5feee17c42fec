"""Tiny trained models, as a run commits and publishes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.batches import members
from pipeline.config import Config
from pipeline.documents import Task
from pipeline.records import Trained
from pipeline.shards import RunFolder
from pipeline.writer import Writer
from tests.training.test_predicting import trained

FAMILIES = {"untouched": 0, "sdxl": 3, "flux": 7}
EDITED = {"untouched": 0, "edited": 1}


def model(task: Task = "semantic", size: int = 64) -> Trained:
    """A random network that nevertheless calls part of most pictures edited."""
    labels = {"semantic": FAMILIES, "binary": EDITED, "image": EDITED}[task]
    detector = "universalfakedet" if task == "image" else "fcn8s"
    recipe = {"load": size, "crop": size - 16} if task == "image" else {}
    weights, curve = trained(detector, task, len(labels), size, **recipe)
    return Trained(weights, curve.model_copy(update={"labels": labels}))


def published(folder: Path, task: Task = "semantic") -> Path:
    """`fcn8s-<task>.safetensors` with its curve beside it."""
    folder.mkdir(exist_ok=True)
    found, path = model(task), folder / f"fcn8s-{task}.safetensors"
    path.write_bytes(found.model)
    path.with_suffix(".json").write_text(found.curve.model_dump_json())
    return path


def commit(run: RunFolder, config: Config, task: Task = "semantic") -> str:
    """Commit a model as the stage `train-fcn8s-<task>` would; returns RUN:TRIAL."""
    name = f"train-fcn8s-{task}"
    facts = {"config": "", "code": "", "model": "", "seeds": ""}
    with Writer(run, name, 0) as writer:
        writer.add("model", members(model(task)))
        writer.commit(["model"], [], {}, facts, {})
    return f"{run.path}:fcn8s-{task}"


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
