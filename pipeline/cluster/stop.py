"""`palimpsest stop`: end a run's workflow; what is committed is kept."""

from __future__ import annotations

import argparse

from pipeline.cluster.api import Cluster, Object
from pipeline.cluster.found import meant
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
    found = meant(cluster, args.run)
    if not live(found[0]):
        print(f"{found[0]['metadata']['name']} has ended already ({phase(found[0])})")
        return 0
    names = [one["metadata"]["name"] for one in found]
    how = "Terminate" if args.now else "Stop"
    for name in names:
        cluster.shut_down(name, how)
        print(f"stopping {name} ({HOW[how]})", flush=True)
    try:
        for name in names:
            ended = until_ended(cluster, name, lambda found: None, patience=PATIENCE)
            for job in cluster.end_jobs(name):
                print(f"ended the training {job}; it would go on from its last checkpoint")
            print(f"stopped {name}: {_done(ended)}", flush=True)
    except KeyboardInterrupt:
        print(f"\nit goes on stopping: `palimpsest status {args.run}{cluster.options}`")
        return INTERRUPTED
    print(f"`palimpsest submit --run-id {args.run}{cluster.options}` (with the same profile) goes "
          "on from there")  # fmt: skip
    return 0


def _done(found: Object) -> str:
    try:
        return f"{sum(step.phase == GOOD for step in steps(found))} steps had succeeded"
    except Hidden:
        return "what had succeeded is kept"
