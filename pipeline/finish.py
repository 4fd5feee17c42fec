"""Give a finished run its plain names, or say how far a run has come.

    python -m pipeline.finish --run DIR             # after the report: dataset/, report.html
    python -m pipeline.finish --run DIR --summary   # at a workflow's end, whatever became of it

The summary recounts the run, as `palimpsest audit` does, but is no verdict: a workflow that painted
one range of a run's partitions has done its work.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from pipeline import events, publish
from pipeline.audit import audit
from pipeline.audit_said import tell
from pipeline.errors import guard
from pipeline.events import Span
from pipeline.shards import RunFolder
from pipeline.stage import Parser, read_run


def main(argv: list[str]) -> int:
    args, started = _arguments(argv), time.monotonic()
    config, folder = read_run(args.run), str(args.run)
    name = "summary" if args.summary else "publish"
    events.speak_for({"run": args.run.resolve().name, "stage": name}, config.local.logs)
    if args.summary:
        events.say("stage-started", "started: counts what is committed in {folder}", folder=folder)
        tell(audit(args.run), time.monotonic() - started)
        return 0
    events.say("stage-started", "started: gives the datasets, models and report in {folder} their "
               "plain names", folder=folder)  # fmt: skip
    publish.everything(RunFolder(args.run), config)
    events.say("stage-finished", "finished: dataset/, models/, report.html and report.md are in "
               "place, {seconds:span}, in {folder}",
               seconds=Span(round(time.monotonic() - started, 3)), folder=folder)  # fmt: skip
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="pipeline.finish", description="publish a run", allow_abbrev=False)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--summary", action="store_true", help="only say how far it has come")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
