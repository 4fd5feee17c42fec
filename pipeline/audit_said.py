"""What an audit found: `palimpsest audit` for people and programs, and events for a run's pods.

A step of a run speaks as all of its steps do. So where the run's logs are JSON, the audit says its
counts as events, unless somebody looks on in a terminal or asks for the whole as one document.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from pipeline import events, summary
from pipeline.audit import Audit, audit
from pipeline.events import Numbers, Span
from pipeline.stage import read_run
from pipeline.summary import SHOWN


def main(args: argparse.Namespace) -> int:
    """`palimpsest audit RUN [--json]`."""
    as_events = read_run(args.run).local.logs == "json" and not (args.json or sys.stdout.isatty())
    if as_events:
        return _speak(args)
    found = audit(args.run, verify=True)
    print(found.model_dump_json(indent=2) if args.json else summary.as_text(found))
    return found.exit_code


def _speak(args: argparse.Namespace) -> int:
    started = time.monotonic()
    events.speak_for({"run": args.run.resolve().name, "stage": "audit"}, "json")
    events.say("stage-started", "started: recounts {folder} from its plan and reads all of it",
               folder=str(args.run))  # fmt: skip
    found = audit(args.run, verify=True)
    tell(found, time.monotonic() - started)
    return found.exit_code


def tell(found: Audit, seconds: float) -> None:
    """An event for each stage that has begun, for each fault and for the first of what is missing;
    last the verdict, which took so many seconds."""
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
    samples: dict[str, Any] = {str(fate): number for fate, number in found.samples.items()}
    events.say(
        "stage-finished", "finished: audit: {verdict}, of {planned} planned samples "
        + ", ".join(f"{{{fate}}} {fate}" for fate in samples)
        + "; {missing} shards missing, {faults} faults, {seconds:span}"
        + (", dataset digest {digest}" if found.digest else ""), verdict=found.verdict,
        planned=sum(samples.values()), **samples, missing=len(found.missing),
        faults=len(found.faults), seconds=Span(round(seconds, 3)), digest=found.digest,
    )  # fmt: skip
