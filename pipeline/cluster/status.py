"""`palimpsest status`: how far a run is, from what its workflow says of itself."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

from pipeline.cluster import overview, screen
from pipeline.cluster.api import WORKFLOWS, Cluster, Object
from pipeline.cluster.found import all_runs, meant
from pipeline.cluster.nodes import BAD, GOOD, Hidden, live, nodes, phase, run_of
from pipeline.errors import BUG, OK, TransientError
from pipeline.events import clean

#: Seconds between two looks, and for how long the API may be away before a watch gives up.
EVERY, AWAY = 2.0, 120.0
INTERRUPTED = 130


def main(args: argparse.Namespace) -> int:
    cluster = Cluster(args.context, args.namespace)
    console = Console(highlight=False)
    if args.run is None:
        console.print(overview.table(all_runs(cluster), datetime.now(UTC), cluster.namespace))
        return OK
    found = meant(cluster, args.run)
    if args.watch:
        codes = []
        for one in found:
            codes.append(watch(cluster, one["metadata"]["name"], args.run))
            if codes[-1] == INTERRUPTED:
                break
        return max(codes)
    for one in found:
        console.print(screen.workflow(one, datetime.now(UTC)))
    return max(outcome(one) for one in found)


def outcome(found: Object) -> int:
    """0 unless the run has failed."""
    return BUG if phase(found) in BAD else OK


def watch(cluster: Cluster, name: str, run: str) -> int:
    """Until the workflow has ended, by its outcome; Ctrl-C leaves it at work."""
    console = Console(highlight=False)
    try:
        found = _live(cluster, name, console) if console.is_terminal else _lines(cluster, name)
    except KeyboardInterrupt:
        print(f"\nthe run goes on without this terminal: `palimpsest status {run}"
              f"{cluster.options}`")  # fmt: skip
        return INTERRUPTED
    if not console.is_terminal:
        console.print(screen.workflow(found, datetime.now(UTC)))
    print(closing(found, cluster.options))
    return outcome(found)


def closing(found: Object, options: str) -> str:
    name, run = found["metadata"]["name"], run_of(found)
    if phase(found) == GOOD:
        return f"{name} has succeeded: run {run} is complete"
    message = (found.get("status") or {}).get("message", "")
    return (
        f"{name} has failed ({clean(message or phase(found))}): see `palimpsest logs {run}"
        f"{options}`; what is committed is kept, submit run {run} again to go on from there"
    )


def until_ended(
    cluster: Cluster, name: str, each: Callable[[Object], None],
    pause: Callable[[float], object] = time.sleep, patience: float | None = None,
) -> Object:  # fmt: skip
    """The workflow when it has ended; `each` sees every look at it, `pause` passes the time between
    two. An API that is away for a while is waited for. Raises TransientError after `patience`
    seconds, if that is given."""
    begun = answered = time.monotonic()
    while True:
        now = time.monotonic()
        try:
            found = cluster.get(WORKFLOWS, name)
            each(found)
            answered = now
            if not live(found):
                return found
        except TransientError as error:
            if now - answered > AWAY:
                raise TransientError(f"{error} (the run goes on)") from error
        if patience is not None and now - begun > patience:
            raise TransientError(
                f"{name} has not ended within {patience:.0f} s: is Argo's workflow controller up?"
            )
        pause(EVERY)


def _live(cluster: Cluster, name: str, console: Console) -> Object:
    with Live(console=console, auto_refresh=False) as shown:
        return until_ended(
            cluster,
            name,
            lambda found: shown.update(
                screen.workflow(found, datetime.now(UTC), console.height - 1), refresh=True
            ),
        )


def _lines(cluster: Cluster, name: str) -> Object:
    """Where there is no terminal: a line for each stage that has ended."""
    said: set[str] = set()

    def each(found: Object) -> None:
        with suppress(Hidden):
            nodes(found)
            for line in screen.ended(found):
                if line not in said:
                    said.add(line)
                    print(line, flush=True)

    return until_ended(cluster, name, each)
