"""The chart, rendered in this process, and the pods that come of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

from pipeline import pods
from pipeline.schema import CHART

Doc = dict[str, Any]
#: Every value set of the chart by its name, and the defaults.
SETS = {path.name.removesuffix("-values.yaml"): path for path in (CHART / "ci").glob("*.yaml")}
NAMES = ["defaults", *sorted(SETS)]
NAMESPACE = "research"
#: Kinds that are not Kubernetes' own, which has no schema of them.
FOREIGN = ("WorkflowTemplate", "PodMonitor", "PrometheusRule")
FEW = {"partitions": "1", "last-partition": "0"}


@cache
def chart() -> Chart:
    return Chart.load(CHART)


def values(name: str) -> Doc:
    return {} if name == "defaults" else dict(yaml.safe_load(SETS[name].read_text()))


def notes(given: Doc, name: str = "palimpsest") -> str:
    return chart().render(given, name=name, namespace=NAMESPACE)["palimpsest/templates/NOTES.txt"]


def render(given: Doc, name: str = "palimpsest", folder: Path = CHART) -> list[Doc]:
    """All objects that an installation with these values makes."""
    source = chart() if folder == CHART else Chart.load(folder)
    found = source.render(given, name=name, namespace=NAMESPACE)
    return [
        doc
        for path, text in found.items()
        if not path.endswith(".txt")
        for doc in yaml.load_all(text, yaml.CSafeLoader)
        if doc
    ]


@cache
def objects(name: str) -> tuple[Doc, ...]:
    return tuple(render(values(name)))


def of(kind: str, docs: tuple[Doc, ...] | list[Doc]) -> list[Doc]:
    return [doc for doc in docs if doc["kind"] == kind]


def workflow(profile: str, docs: tuple[Doc, ...] | list[Doc]) -> Doc:
    return next(
        doc for doc in of("WorkflowTemplate", docs) if doc["metadata"]["name"].endswith(profile)
    )


def nodes(docs: tuple[Doc, ...] | list[Doc]) -> Iterator[pods.Node]:
    """Every pod and Job of every installed profile."""
    for template in of("WorkflowTemplate", docs):
        yield from pods.expand(template, FEW)


def started(docs: tuple[Doc, ...] | list[Doc]) -> Iterator[Doc]:
    """Every pod that could run: of workflows, of their Jobs, of deployments, and of `helm test`."""
    yield from of("Pod", docs)
    for one in of("Deployment", docs):
        pod = one["spec"]["template"]
        meta = {**pod["metadata"], "name": one["metadata"]["name"]}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod["spec"]}
    for node in nodes(docs):
        if node.kind == "Job":
            yield from pods.members(node.manifest, node.template)
        else:
            yield node.manifest
