"""The first pod of a workflow: begin the run's folder, or take it up again.

    python -m pipeline.begin --config FILE --photos DIR --run /data/runs/ID --dag DIGEST

It refuses, with one sentence and exit code 78, what no later pod could repair: a run id that is no
name, a config whose stages are not those the workflow was rendered with, another config's run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline import config, events, run_id, runs
from pipeline.argo import dag_digest
from pipeline.dag import checked
from pipeline.errors import ConfigError, guard
from pipeline.photographs import is_photograph
from pipeline.stage import Parser

#: What lies before the run id in the path of every run.
RUNS = "/runs/"


def main(argv: list[str]) -> int:
    args = _arguments(argv)
    _, found, name = args.run.partition(RUNS)
    run_id.checked(name if found else args.run)
    chosen = config.read(args.config)
    events.speak_for({"run": Path(args.run).name, "stage": "begin"}, chosen.local.logs)
    events.say("stage-started", "started: the config {profile}, photographs from {photos}, into "
               "{folder}", profile=chosen.profile, photos=str(args.photos),
               folder=args.run)  # fmt: skip
    stages = checked(chosen)
    if dag_digest(stages) != args.dag:
        raise ConfigError(
            f"the config changed the DAG (stages {dag_digest(stages)}, the workflow has "
            f"{args.dag}): render it anew with `palimpsest render` and install the result"
        )
    begun, folder = runs.begin(chosen, args.photos, Path(args.run))
    runs.sweep(folder)
    count = sum(is_photograph(path) for path in args.photos.rglob("*"))
    events.say("stage-finished", "finished: {samples} samples in {shards} shards will be made from "
               "{photographs} photographs, in {folder}", samples=begun.samples, shards=begun.shards,
               photographs=count, folder=str(folder.path))  # fmt: skip
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="pipeline.begin", description="begin a run", allow_abbrev=False)
    parser.add_argument("--config", type=Path, required=True, help="the mounted config")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--run", required=True, help="the folder of the run, .../runs/ID")
    parser.add_argument("--dag", required=True, help="digest of the stages that were rendered")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
