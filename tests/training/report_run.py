"""A run folder for the report: real photographs, painted over in code, committed as stages do."""

from __future__ import annotations

import io
import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from pipeline import protocols
from pipeline.batches import members
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.documents import (
    Check,
    Credit,
    Curve,
    Edit,
    History,
    IndexFacts,
    Region,
    Regions,
    Sample,
    Score,
    Scores,
    Share,
    Source,
)
from pipeline.manifest import Rejected
from pipeline.protocols import PROTOCOLS, Trial
from pipeline.records import (  # fmt: skip
    Assembled,
    Edited,
    Evaluated,
    Generated,
    Indexed,
    Scored,
    Segmented,
    Sourced,
    Trained,
)
from pipeline.shards import RunFolder
from pipeline.writer import Writer
from tests.training import report_scores

PHOTOS = Path(__file__).parents[1] / "data" / "photos" / "images"
NAMES = ("sd2", "sd35", "sdxl", "flux", "glide", "kolors", "hunyuan", "kandinsky")
FAMILIES = {name: label for label, name in enumerate(NAMES, 1)}
SIZE, SHARD, BEGUN = 96, 8, 1_700_000_000.0
HOSTILE = (
    "<script>alert(1)</script>", "{{7*7}}", '"><img src=x onerror=alert(2)>', "$\\frac{a}{b}$ %s",
    "zero\x00width\u202e 中文 🎨", "' onmouseover='alert(3)", "</style><svg onload=alert(4)>",
)  # fmt: skip
WORDS = ("a wooden bench", "a bright red kite", "a striped cat", "made of glass, lit from behind")
KINDS = ("animals", "food", "humans", "nature scenery", "other")
Columns = dict[tuple[str, int], dict[str, Any]]


@dataclass
class Recipe:
    """What is special about a run: `every` has detectors and scores of every protocol, by hand;
    `said` are notes of its evaluations."""

    samples: int = 24
    val: bool = True
    edits: bool = True
    filtered: bool = True
    detectors: bool = True
    every: bool = False
    weights: Literal["tiny", "local"] = "tiny"
    hostile: bool = False
    later: float = 0.0
    lost: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    tasks: tuple[str, ...] = ("binary", "semantic")
    notes: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    columns: Columns = field(default_factory=lambda: defaultdict(dict))
    rejected: dict[tuple[str, int], list[Rejected]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def text(self, number: int) -> str:
        return HOSTILE[number % len(HOSTILE)] if self.hostile else WORDS[number % len(WORDS)]


def config_of(recipe: Recipe) -> Config:
    section = {"encoder": "resnet18", "pretrained": False, "size": 64, "steps": 4, "batch": 4,
               "device": "cpu", "tasks": recipe.tasks}  # fmt: skip
    sections: dict[str, Any] = {"deeplabv3plus": section} if recipe.detectors else {}
    also: dict[str, Any] = {}
    if recipe.every:
        plain = {"device": "cpu", "tasks": recipe.tasks}
        sections |= {"fcn8s": {**plain, "size": 512, "encoder": "vgg16"}}
        sections |= {name: {**plain, "tasks": ("image",)}
                     for name in ("cnnspot", "universalfakedet")}  # fmt: skip
        also = {
            "protocols": {name: () for name in PROTOCOLS}, "replays": {"sdxl_lora": "sdxl"},
            "holdouts": (("flux", "hunyuan"), ("sd2", "sd35")),
            "reals": {"unedited": 8, "negatives": 8},
        }  # fmt: skip
    return Config.model_validate({
        "profile": "demo", "samples": recipe.samples, "shard_size": SHARD, "families": FAMILIES,
        "bases": {"resolution": SIZE, "ai_share": 0.125}, "editing": {"weights": recipe.weights},
        "detectors": sections, **also,
    })  # fmt: skip


def build(path: Path, recipe: Recipe) -> Path:
    """Make the run folder `path`: everything but the stage `report`."""
    config, run = config_of(recipe), RunFolder(path)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(config.to_yaml())
    names = sorted(PHOTOS.glob("*.jpg"))
    for number in range(recipe.samples):
        _sample(recipe, number, names[number % len(names)])
    if recipe.detectors:
        _detectors(recipe, config)
    counts = {s: sum(len(c) for (name, _), c in recipe.columns.items() if name == f"assemble-{s}")
              for s in ("train", "val", "filtered")}  # fmt: skip
    table = io.BytesIO()
    pq.write_table(pa.table({"key": ["00000000"]}), table)
    facts = IndexFacts(
        digest="d1e5" * 16, shards={}, samples=counts, profile="demo", weights=recipe.weights,
        labels=FAMILIES, planned=recipe.samples + recipe.lost, declined={}, config={},
        balance=tuple(Share(quota=quota, kind=recipe.text(i), target=0.5, planned=7 + i,
                            deficit=1.5 * i, kept=3)
                      for quota in ("turns", "category") for i in range(2)),
        sources=tuple(Credit(file=photo.name, licence="CC0", author=recipe.text(i), samples=1,
                             url=f"https://example.org/{photo.stem}")
                      for i, photo in enumerate(names)),
    )  # fmt: skip
    if recipe.ignored:
        (path / "run.json").write_text(json.dumps({"ignored": recipe.ignored}))
    recipe.columns["index", 0]["index"] = Indexed(facts, table.getvalue())
    clock = BEGUN + recipe.later
    for i, stage in enumerate(dag(config)[:-1]):
        for shard in stage.shards(config):
            seconds = 1.5 + (i * 7 + shard) % 5 + recipe.later / 1000
            _commit(run, recipe, stage.name, shard, clock + 2 * i + shard, seconds)
    return path


def _commit(
    run: RunFolder, recipe: Recipe, dataset: str, shard: int, begun: float, seconds: float
) -> None:
    records, rejected = recipe.columns[dataset, shard], recipe.rejected[dataset, shard]
    ids = sorted({*records, *(item.key for item in rejected)} - {"scores"})
    with Writer(run, dataset, shard) as writer:
        for key in sorted(records):
            writer.add(key, members(records[key]))
        writer.commit(
            ids, rejected, {}, {"config": "c0", "code": "c0de", "model": "", "seeds": ""},
            {"host": "here", "started": begun, "seconds": seconds, "peak_rss_mib": 200 + shard,
             "phases": {"load": seconds / 3, "transform": seconds / 2}},
        )  # fmt: skip


def _sample(recipe: Recipe, number: int, photo: Path) -> None:
    key, shard = f"{number:08d}", number // SHARD
    put = recipe.columns
    split = "val" if recipe.val and number % 4 == 0 else "train"
    ai = number % 8 == 4
    source = Source(
        source_id=photo.stem, split=split, base="ai" if ai else "real", caption=recipe.text(number),
        family="sdxl" if ai else "", file="" if ai else photo.name, licence="" if ai else "CC0",
        notes=recipe.notes,
    )  # fmt: skip
    image = _crop(photo, number)
    put["ingest", shard][key] = Sourced(source, None if ai else image)
    if ai:
        put["generate-sdxl", shard][key] = Generated(image)
    planes = np.stack([_mask(number, i) for i in range(3)])
    kinds = HOSTILE if recipe.hostile else KINDS
    regions = tuple(
        Region(name=recipe.text(number + i), category=kinds[(number * 3 + i) % len(kinds)],
               area=float(plane.mean()), box=(0, 0, 9, 9), origin="segmenter")
        for i, plane in enumerate(planes)
    )  # fmt: skip
    put["segment", shard][key] = Segmented(planes, Regions(regions=regions))
    image, edits = _paint(recipe, number, image, planes)
    labels, turns = np.zeros((2, SIZE, SIZE), np.uint8)
    for edit in edits:
        labels[planes[edit.region]], turns[planes[edit.region]] = edit.label, edit.turn
    low = recipe.filtered and number % 6 == 5
    score = Score(score=1 if low else 4, reason=recipe.text(number + 1))
    put["score", shard][key] = Scored(score)
    if low:
        why = Rejected(key=key, reason="low-score", detail=recipe.text(2))
        recipe.rejected["score", shard].append(why)
    sample = Sample(source=source, regions=regions, planned=3, edits=edits, score=score)
    name = "assemble-filtered" if low else f"assemble-{split}"
    put[name, shard][key] = Assembled(image, labels, turns, sample)


def _paint(
    recipe: Recipe, number: int, image: NDArray[np.uint8], planes: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], tuple[Edit, ...]]:
    """Up to three turns; turn 2 of every seventh sample is declined."""
    edits: tuple[Edit, ...] = ()
    draw, shard = np.random.default_rng(number), number // SHARD
    for turn in range(1, 1 + (min(3, 1 + number // 2 % 4) if recipe.edits else 0)):
        family = list(FAMILIES)[(number * 3 + turn) % 8]
        key, plane = f"{number:08d}", planes[turn - 1]
        if turn == 2 and number % 7 == 2:
            item = Rejected(key=key, reason="noop-edit", detail=recipe.text(number))
            recipe.rejected[f"edit-2-{family}", shard].append(item)
            continue
        noise = draw.integers(0, 256, (SIZE // 8, SIZE // 8, 3), np.uint8)
        patch = np.asarray(Image.fromarray(noise).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        image = np.where(plane[..., None], patch, image)
        edits += (Edit(
            turn=turn, region=turn - 1, family=family, label=FAMILIES[family],
            edit=("attribute", "addition", "removal")[(number + turn) % 3],
            prompts=("empty", recipe.text(number + turn)), seeds=(number, turn), steps=4,
            guidance=7.5, composite="paste", changed=0.97, area=float(plane.mean()), model="m0del",
        ),)  # fmt: skip
        recipe.columns[f"edit-{turn}-{family}", shard][key] = Edited(image, History(edits=edits))
    return image, edits


def _crop(photo: Path, number: int) -> NDArray[np.uint8]:
    with Image.open(photo) as picture:
        side = min(picture.size)
        left, top = ((n - side) * (number % 3) // 2 for n in picture.size)
        square = picture.convert("RGB").crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def _mask(number: int, region: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    cx, cy = 0.28 + 0.22 * ((number + region * 2) % 3), 0.3 + 0.2 * ((number * 2 + region) % 3)
    angle = np.arctan2(y - cy, x - cx)
    radius = 0.13 + 0.04 * region + 0.03 * np.sin(angle * (3 + number % 4))
    found: NDArray[np.bool_] = np.hypot(x - cx, y - cy) < radius
    return found


def _detectors(recipe: Recipe, config: Config) -> None:
    """Detectors of every protocol of the config, each as committed by a stage."""
    val = {key: record for (name, _), found in sorted(recipe.columns.items())
           if name == "assemble-val" for key, record in found.items()}  # fmt: skip
    tasks: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
        "binary": (lambda mask: (mask > 0).astype(np.uint8), ("edited",)),
        "semantic": (lambda mask: mask, tuple(FAMILIES)),
    }
    for trial in protocols.trials(config):
        curve = _curve(recipe, config, trial)
        recipe.columns[f"train-{trial.name}", 0]["model"] = Trained(b"weights", curve)
    for name, asked in protocols.evaluations(config).items():
        for trial in asked:
            rows = tuple(row.model_copy(update={"notes": (*row.notes, *recipe.said)})
                         for row in report_scores.rows(config, name, trial))  # fmt: skip
            found: dict[str, Any] = {}
            if name == "table2":
                found, plain = _predicted(val, *tasks[trial.task])
                rows = (rows[0].model_copy(update=plain), *rows[1:])
            found["scores"] = Evaluated(scores=Scores(rows=rows))
            recipe.columns[f"evaluate-{name}-{trial.name}", 0] = found


def _predicted(
    val: dict[str, Any], view: Callable[[Any], Any], names: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Label maps of a detector that shifts the truth, and what is counted of them."""
    from training import metrics

    truth = {key: view(record.mask)[::2, ::2] for key, record in val.items()}
    guess = {key: np.roll(labels, 3, axis=1) for key, labels in truth.items()}
    matrix = np.zeros((len(names) + 1,) * 2, np.int64)
    for key, labels in truth.items():
        matrix += metrics.confusion(labels, guess[key], len(names) + 1)
    counted = {
        "samples": len(val), "iou": dict(zip(names, metrics.iou(matrix)[1:], strict=True)),
        "confusion": tuple(tuple(int(n) for n in row) for row in matrix),
    }  # fmt: skip
    return {key: Evaluated(prediction=labels) for key, labels in guess.items()}, counted


def _curve(recipe: Recipe, config: Config, trial: Trial) -> Curve:
    """A loss that falls, three looks at the dev slice; the second was the best."""
    section = config.detectors[trial.detector]
    labels = {"untouched": 0, **(config.families if trial.task == "semantic" else {"edited": 1})}
    return Curve(
        detector=trial.detector, task=trial.task, subset=trial.subset, labels=labels,
        encoder=section.encoder or "resnet50", classes=len(labels), size=section.size,
        resampler="", recipe={"source": recipe.text(1)}, steps=400, batch=4, processes=1,
        samples=9, seconds=40.0, waited=1.0, device="a processor", best_step=200,
        loss=tuple(2.2 * 0.99**i + 0.1 for i in range(400)),
        checks=tuple(Check(step=s, score=v) for s, v in ((100, 0.3), (200, 0.6), (400, 0.5))),
    )  # fmt: skip
