"""`palimpsest stop`: end a run's workflow; what is committed is kept."""

from __future__ import annotations

import argparse

from pipeline.cluster.api import Cluster
from pipeline.cluster.found import newest
from pipeline.cluster.nodes import GOOD, Hidden, live, phase, steps
from pipeline.cluster.status import INTERRUPTED, until_ended

#: Seconds that the pods of a workflow may take to end.
PATIENCE = 600.0
HOW = {
    "Stop": "no step is begun any more, running ones are ended, then comes the summary",
    "Terminate": "running steps are ended at once, without the summary",
}


def main(args: argparse.Namespace) -> int:
    cluster = Cluster(args.context, args.namespace)
    found = newest(cluster, args.run)
    name = found["metadata"]["name"]
    if not live(found):
        print(f"{name} has ended already ({phase(found)})")
        return 0
    how = "Terminate" if args.now else "Stop"
    cluster.shut_down(name, how)
    print(f"stopping {name} ({HOW[how]})", flush=True)
    try:
        found = until_ended(cluster, name, lambda found: None, patience=PATIENCE)
    except KeyboardInterrupt:
        print(f"\n{name} goes on stopping: `palimpsest status {args.run}{cluster.options}`")
        return INTERRUPTED
    try:
        done = f"{sum(step.phase == GOOD for step in steps(found))} steps had succeeded"
    except Hidden:
        done = "what had succeeded is kept"
    print(f"stopped {name}: {done}; `palimpsest submit --run-id {args.run}{cluster.options}` "
          "(with the same profile) goes on from there")  # fmt: skip
    return 0
