"""The workflows of runs: which one is meant by a run id."""

from __future__ import annotations

from pipeline.cluster.api import WORKFLOWS, Cluster, Object
from pipeline.cluster.nodes import live, run_of
from pipeline.errors import PermanentError
from pipeline.run_id import checked


def all_runs(cluster: Cluster) -> list[Object]:
    """Every workflow that works or worked on a run; the newest first."""
    ours = [one for one in cluster.all(WORKFLOWS) if run_of(one)]
    return sorted(ours, key=lambda one: str(one["metadata"].get("creationTimestamp")), reverse=True)


def meant(cluster: Cluster, run: str) -> list[Object]:
    """The workflows at work on `run` (several paint ranges of a large one), else the last that was.
    Raises a sentence if there is none."""
    checked(run)
    every = all_runs(cluster)
    ours = [one for one in every if run_of(one) == run]
    if not ours:
        known = ", ".join(sorted({run_of(one) for one in every})) or "none"
        raise PermanentError(
            f"there is no workflow of run {run} in namespace {cluster.namespace} (runs there: "
            f"{known}): submit it, or choose another --namespace"
        )
    return [one for one in ours if live(one)] or ours[:1]
