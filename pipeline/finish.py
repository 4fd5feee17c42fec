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
from typing import Any

from pipeline import events, publish
from pipeline.audit import Audit, audit
from pipeline.errors import guard
from pipeline.events import Numbers, Span
from pipeline.shards import RunFolder
from pipeline.stage import Parser, read_run

#: Missing shards that are told one by one.
SHOWN = 10


def main(argv: list[str]) -> int:
    args, started = _arguments(argv), time.monotonic()
    config, folder = read_run(args.run), str(args.run)
    name = "summary" if args.summary else "publish"
    events.speak_for({"run": args.run.resolve().name, "stage": name}, config.local.logs)
    if args.summary:
        events.say("stage-started", "started: counts what is committed in {folder}", folder=folder)
        _summary(audit(args.run))
        return 0
    events.say("stage-started", "started: gives the datasets, models and report in {folder} their "
               "plain names", folder=folder)  # fmt: skip
    publish.everything(RunFolder(args.run), config)
    events.say("stage-finished", "finished: dataset/, models/, report.html and report.md are in "
               "place, {seconds:span}, in {folder}",
               seconds=Span(round(time.monotonic() - started, 3)), folder=folder)  # fmt: skip
    return 0


def _summary(found: Audit) -> None:
    """An event for each stage that has begun, for each fault and for the first of what is missing;
    last the verdict."""
    for name, row in found.stages.items():
        if not row.shards:
            continue
        declined = Numbers(row.reasons)
        counts: dict[str, Any] = {"in": row.taken, "out": row.out, "filtered": row.filtered,
                                  "quarantined": row.quarantined}  # fmt: skip
        events.say(
            "stage-counted", "{counted}: {shards} shards, {in} in, {out} out, "
            "{seconds:span} of work" + (", declined: {reasons}" if declined else ""),
            counted=name, shards=row.shards, seconds=Span(row.seconds), reasons=declined, **counts,
        )  # fmt: skip
    for fault in found.faults:
        events.say("fault", "FAULT {fault}: see `palimpsest audit`", level="warning", fault=fault)
    for missing in found.missing[:SHOWN]:
        events.say("missing", "{missing}", missing=missing)
    verdict = "faults" if found.faults else "incomplete" if found.missing else "complete"
    events.say(
        "stage-finished", "finished: audit: {verdict}, {missing} shards missing"
        + (", dataset digest {digest}" if found.digest else ""), verdict=verdict,
        missing=len(found.missing), faults=len(found.faults), digest=found.digest,
    )  # fmt: skip


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="pipeline.finish", description="publish a run", allow_abbrev=False)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--summary", action="store_true", help="only say how far it has come")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
