"""Train one detector on the train split, over as many processes as torchrun starts.

    python -m training.torchrun 2 training.train --run DIR --detector deeplabv3plus --task binary

`training/sgd.py` has the steps. A run that was killed goes on from its last checkpoint to the same
weights, bit for bit (on CPUs). Only `Curve.seconds` differs between two runs; it is in the digest
of this stage's own tar and in no other.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time

from pipeline import events, stage
from pipeline.config import Detector
from pipeline.errors import ConfigError, PermanentError, guard
from pipeline.loop import Clock, publish
from pipeline.records import Trained
from pipeline.stage import Context
from training import checkpoint, data, ddp
from training.sgd import Training


def main(argv: list[str]) -> int:
    context = stage.context("training.train", argv)
    if context.run.committed(context.stage.name, 0):
        events.say("already-committed", "already committed")
        return 0
    try:
        return run(context)
    except PermanentError:
        if int(os.environ.get("RANK", "0")):
            time.sleep(5)  # every rank found the same: let the first say it, and torchrun end us
        raise


def run(context: Context) -> int:
    """Load, train, commit. Every rank does the first two."""
    args, clock = context.args, Clock()
    section = context.config.detectors[args.detector]
    check(section, args.detector, int(os.environ.get("WORLD_SIZE", "1")))
    data.accepted(context.run, context.config, "val")  # before, not after, the hours of training
    with ddp.world(section.device) as world:
        with clock.phase("load"):
            split = data.load(context.run, context.config, "train", args.task, section.size)
        with clock.phase("train"):
            training = Training(context, split, world)
            while training.step < section.steps:
                training.advance()
    if world.rank == 0:
        weights = checkpoint.weights(training.bare)
        digest = hashlib.sha256(weights).hexdigest()[:16]
        record = Trained(model=weights, curve=training.curve())
        publish(context, {"model": record}, ["model"], split.parents, clock, digest)
        shutil.rmtree(training.folder, ignore_errors=True)  # the checkpoints have served
    return 0


def check(section: Detector, name: str, processes: int) -> None:
    """What must hold between a detector's settings and the number of processes."""
    where = f"detectors.{name}.batch: {section.batch}"
    if section.batch % processes:
        raise ConfigError(f"{where} cannot be shared equally by {processes} processes")
    if section.batch // processes < 2:
        raise ConfigError(f"{where} is too few: normalisation needs two pictures in each process")


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
