"""A whole run in one process, one task after another in a drawn order that keeps to the DAG.

python -m tests.faults.in_order PROFILE OUT SEED
"""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

from pipeline import config, local, publish, runs
from pipeline.code import ROOT
from pipeline.dag import checked
from pipeline.shards import RunFolder

PHOTOS = ROOT / "tests" / "data" / "photos"


def compute(profile: Path, out: Path, seed: int) -> RunFolder:
    chosen, run = runs.begin(config.load(str(profile)), PHOTOS, out)
    stages = {stage.name: stage for stage in checked(chosen)}
    graph, draw = local.tasks(tuple(stages.values()), chosen), random.Random(seed)
    done = set[local.Task]()
    while ready := sorted(task for task in graph if task not in done and graph[task] <= done):
        task = draw.choice(ready)
        stage = stages[task.name]
        part = task.partition if stage.scope == "shard" else None
        assert importlib.import_module(stage.module).main(stage.argv(out, part)) == 0
        done.add(task)
    publish.everything(run, chosen)
    return run


if __name__ == "__main__":
    compute(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
