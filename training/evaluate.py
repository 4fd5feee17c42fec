"""Score one trained detector by one protocol on the val split; of table 2, keep what it predicted.

    in    assemble-val and its cache; reals, replays or base pictures as the protocol needs; model,
          curve of the detector
    out   under `scores` the rows (training/sets.py has their conditions); of table 2 under each
          sample's key the mask values that were predicted, at the network's size
    run   python -m training.evaluate --protocol table2 --detector deeplabv3plus --task binary \\
              --run runs/demo

Masks are resized to what the detector is shown (nearest). Each picture is scored exactly once.
"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

from pipeline import events, progress, stage
from pipeline.clock import Clock
from pipeline.config import Config
from pipeline.documents import Curve, Metrics, Scores
from pipeline.errors import InputError, guard
from pipeline.events import Figures
from pipeline.loop import publish
from pipeline.meter import Meter
from pipeline.protocols import ALL, Trial
from pipeline.records import Evaluated
from pipeline.shards import join
from pipeline.stage import Context
from training import data, evaluate_pictures, evaluate_pixels
from training.cache import open_cache
from training.predicting import Predictor
from training.sets import Set, Val, sets
from training.views import Views

if TYPE_CHECKING:
    from pipeline.config import ProtocolName

#: Protocols that look at AI-made bases, and the one whose predictions are kept.
OF_BASES, KEPT = ("table6", "classifiers"), "table2"


def main(argv: list[str]) -> int:
    context = stage.context("training.evaluate", argv)
    if context.run.committed(context.stage.name, 0):
        progress.nothing_to_do(context)
        return 0
    return run(context)


def run(context: Context) -> int:
    """Load, predict and score, commit."""
    clock, protocol = Clock(Meter(context)), context.args.protocol
    with clock.phase("load"):
        predictor, digest, parents = load(context)
        cache = open_cache(context.run, context.config, "val", predictor.size)
        views = Views(context.run, context.config, cache)
        wanted = sets(protocol, known(protocol, predictor, views))
    with clock.phase("score"):
        rows, kept = score(context, protocol, predictor, views, wanted)
    records = {key: Evaluated(prediction=labels) for key, labels in kept.items()}
    records["scores"] = Evaluated(scores=Scores(rows=tuple(rows)))
    for one in rows:
        said = {name: round(figure.value, 4) for name, figure in one.figures.items()
                if figure.value is not None}  # fmt: skip
        events.say("scored", "{condition} ({samples} pictures): {figures}",
                   condition=one.condition, samples=one.samples, figures=Figures(said))  # fmt: skip
    publish(context, records, sorted(kept) or ["scores"], views.parents | parents, clock, digest)
    return 0


def load(context: Context) -> tuple[Predictor, str, dict[str, str]]:
    """The trained detector on its device, the digest of its weights, and where they come from."""
    args, config = context.args, context.config
    trained = f"train-{Trial(args.detector, args.task, args.subset or ALL).name}"
    joined = join(context.run, [trained], 0)
    model = joined.rows["model"]
    weights, curve = model.get("model", "Weights"), model.get("curve", "Curve")
    check(curve, config, trained)
    section = config.detectors[args.detector]
    predictor = Predictor(weights, curve, section.device, section.dtype)
    parents = {f"{name}/00000": sha for name, sha in joined.parents.items()}
    return predictor, hashlib.sha256(weights).hexdigest()[:16], parents


def check(curve: Curve, config: Config, trained: str) -> None:
    """Raises InputError unless the model's classes are the run's."""
    wanted = data.class_labels(config, curve.task)
    if curve.labels != wanted or curve.classes != len(wanted):
        raise InputError(
            f"{trained} has {curve.classes} classes ({_listed(curve.labels)}), and this run has "
            f"{len(wanted)} ({_listed(wanted)}): remove its folder and train it anew"
        )


def known(protocol: ProtocolName, predictor: Predictor, views: Views) -> Val:
    """The val split, as far as a protocol must know it."""
    if protocol == "table4":
        views.find_replayed()
    if protocol in OF_BASES and predictor.curve.subset == ALL:
        views.find_bases()
    recipe = predictor.recipe
    return Val(views.config, predictor.curve.subset, predictor.task, views.cache.facts,
               views.replayed, views.bases,
               crops=(recipe.crop or predictor.size) < (recipe.load or predictor.size))  # fmt: skip


def score(
    context: Context, protocol: ProtocolName, predictor: Predictor, views: Views,
    wanted: tuple[Set, ...],
) -> tuple[list[Metrics], dict[str, evaluate_pixels.Bytes]]:  # fmt: skip
    """The rows, and of table 2 the predicted mask values."""
    if predictor.task != "image" and protocol != "classifiers":
        keep = "clean" if protocol == KEPT else ""
        return evaluate_pixels.score(protocol, predictor, views, wanted, keep)
    train = open_cache(context.run, context.config, "train", predictor.size)
    how = evaluate_pictures.score if predictor.task == "image" else evaluate_pictures.score_maps
    return how(protocol, predictor, views, train, wanted), {}


def _listed(labels: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in labels.items())


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
