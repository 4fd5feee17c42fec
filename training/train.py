"""Train one detector on the train split, over as many processes as torchrun starts.

    python -m training.torchrun 2 training.train --run DIR --detector deeplabv3plus --task binary

`training/loop.py` has the steps. A run that was killed goes on from its last checkpoint to the same
weights, bit for bit (on CPUs). Only `Curve.seconds` and `Curve.waited` differ between two runs;
they are in the digest of this stage's own tar and in no other.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sys
import time
from dataclasses import asdict, replace

from pipeline import progress, stage
from pipeline.clock import Clock
from pipeline.documents import Check, Curve
from pipeline.errors import PermanentError, guard
from pipeline.loop import publish
from pipeline.meter import Meter
from pipeline.records import Trained
from pipeline.stage import Context
from training import checkpoint, data, ddp
from training.lesson import prepare, rank
from training.loop import Best, Training


def main(argv: list[str]) -> int:
    context = stage.context("training.train", argv)
    if context.run.committed(context.stage.name, 0):
        progress.nothing_to_do(context)
        return 0
    try:
        return run(context)
    except PermanentError:
        if rank():
            time.sleep(5)  # every rank found the same: let the first say it, and torchrun end us
        raise


def run(context: Context) -> int:
    """Load, train, commit. Every rank does the first two."""
    clock = Clock(Meter(context))
    with clock.phase("load"):
        lesson = prepare(context)
    with ddp.world(lesson.section.device) as world, clock.phase("train"):
        if world.rank:  # rank 0 has checked the cache by now, and may have made it again
            lesson = replace(lesson, cache=lesson.cache.again())
        training = Training(lesson, world)
        training.run()
    if world.rank == 0:
        record = outcome(training)
        digest = hashlib.sha256(record.model).hexdigest()[:16]
        publish(context, {"model": record}, ["model"], lesson.cache.parents, clock, digest)
        shutil.rmtree(lesson.run / "checkpoints" / lesson.stage, ignore_errors=True)
    return 0


def outcome(training: Training) -> Trained:
    """The best weights, and the last ones if those are others."""
    lesson, recipe, last = training.lesson, training.recipe, training.learner.kept
    best = training.best or Best(training.step, math.nan, last)
    curve = Curve(
        detector=lesson.trial.detector, task=lesson.trial.task, subset=lesson.trial.subset,
        encoder=recipe.encoder, classes=len(lesson.labels), labels=lesson.labels,
        size=lesson.cache.size, resampler=data.RESAMPLER,
        recipe=json.loads(json.dumps(asdict(recipe))), steps=training.step, batch=recipe.batch,
        processes=training.world.size, samples=len(lesson.train.rows), loss=tuple(training.loss),
        checks=tuple(Check(step=step, score=score) for step, score in training.checks),
        best_step=best.step, seconds=round(training.pace.elapsed(), 3),
        waited=round(training.pace.waited, 3), device=ddp.name(training.world.device),
    )  # fmt: skip
    other = None if best.step == training.step else checkpoint.weights(last)
    return Trained(model=checkpoint.weights(best.state), curve=curve, last=other)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
