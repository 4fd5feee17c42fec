"""`palimpsest submit`: a Workflow that refers to the installed template of a profile."""

from __future__ import annotations

import argparse

from pipeline.cluster import status
from pipeline.cluster.api import PART_OF, RUN, TEMPLATES, Cluster, Object
from pipeline.cluster.found import all_runs
from pipeline.cluster.nodes import live, run_of
from pipeline.cluster.refusals import Absent
from pipeline.errors import InputError, PermanentError
from pipeline.run_id import checked


def main(args: argparse.Namespace) -> int:
    wanted = _checked(args)
    cluster = Cluster(args.context, args.namespace)
    template = _template(cluster, args.release, args.profile)
    known = {one["name"]: one.get("value")
             for one in template["spec"].get("arguments", {}).get("parameters", ())}  # fmt: skip
    for name in ["run-id", *wanted]:
        if name not in known:
            raise PermanentError(
                f"the WorkflowTemplate {template['metadata']['name']} has no parameter {name}: "
                "install the chart of this version with `helm upgrade`"
            )
    run = checked(args.run_id or str(known["run-id"]))
    _refuse_second(cluster, run)
    made = cluster.create(_workflow(template["metadata"]["name"], run, wanted))
    name = made["metadata"]["name"]
    print(f"submitted {name} in namespace {cluster.namespace}: run {run}", flush=True)
    if args.watch:
        return status.watch(cluster, name, run)
    print(f"  palimpsest status {run} --watch{cluster.options}\n"
          f"  palimpsest logs {run} --follow{cluster.options}")  # fmt: skip
    return 0


def _checked(args: argparse.Namespace) -> dict[str, str]:
    """The parameters that were given. Raises before anything is asked of a cluster."""
    if args.run_id is not None:
        checked(args.run_id)
    if args.partitions is not None and args.partitions < 1:
        raise InputError(f"--partitions {args.partitions}: give 1 or more")
    photos = args.photos
    if photos is not None and not (
        photos.startswith("/") and photos.isprintable() and "{{" not in photos
    ):
        raise InputError(
            f"--photos {photos!r}: give the absolute path of a folder in the pods, such as "
            "/data/photos, without braces"
        )
    given = {"photos": photos, "partitions": args.partitions}
    return {name: str(value) for name, value in given.items() if value is not None}


def fullname(release: str) -> str:
    """What the chart calls its objects."""
    full = release if "palimpsest" in release else f"{release}-palimpsest"
    return full[:40].rstrip("-")


def _template(cluster: Cluster, release: str, profile: str) -> Object:
    name = f"{fullname(release)}-{profile}"
    try:
        return cluster.get(TEMPLATES, name)
    except Absent:
        there = [one["metadata"]["name"]
                 for one in cluster.all(TEMPLATES, f"{PART_OF}=palimpsest")]  # fmt: skip
        raise PermanentError(
            f"there is no WorkflowTemplate {name} in namespace {cluster.namespace} (of ours are "
            f"there: {', '.join(sorted(there)) or 'none'}): install it with `helm install "
            f"{release} charts/palimpsest --namespace {cluster.namespace}`, or choose another "
            "--profile, --release or --namespace"
        ) from None


def _refuse_second(cluster: Cluster, run: str) -> None:
    for one in all_runs(cluster):
        if run_of(one) == run and live(one):
            raise PermanentError(
                f"the workflow {one['metadata']['name']} is at work on run {run}: see "
                f"`palimpsest status {run}{cluster.options}`, end it with `palimpsest stop {run}"
                f"{cluster.options}`, or give another --run-id"
            )


def _workflow(template: str, run: str, given: dict[str, str]) -> Object:
    values = {"run-id": run, **given}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{template}-", "labels": {RUN: run, PART_OF: "palimpsest"}},
        "spec": {
            "workflowTemplateRef": {"name": template},
            "arguments": {
                "parameters": [{"name": name, "value": value} for name, value in values.items()]
            },
        },
    }
