"""A cluster in memory, a kubeconfig that leads there, and workflows as Argo describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli
from pipeline.cluster import status
from pipeline.errors import guard
from tests.pipeline.cluster.apiserver import Object, Server, Store, serving

Call = Callable[..., tuple[int, str, str]]
LABELS = {"app.kubernetes.io/part-of": "palimpsest"}
PARTITION = [{"name": "partition"}]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def store(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Empty but for the template that `helm install palimpsest` leaves."""
    server.store = Store()
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
    monkeypatch.setattr(status, "EVERY", 0.02)
    server.store.put("workflowtemplates", template("palimpsest-demo"))
    return server.store


@pytest.fixture
def palimpsest(capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process: exit code, what it printed, what it complained of."""

    def call(*argv: str) -> tuple[int, str, str]:
        code = guard(cli.main, list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def template(name: str) -> Object:
    """Two stages over partitions, then one over all."""
    loop = {"count": "{{workflow.parameters.partitions}}"}
    span = {"start": "{{workflow.parameters.first-partition}}",
            "end": "{{workflow.parameters.last-partition}}"}  # fmt: skip
    given = {"run-id": "demo", "photos": "/opt/photos", "partitions": "2",
             "first-partition": "0", "last-partition": "1"}  # fmt: skip
    return {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "entrypoint": "run",
            "arguments": {"parameters": [{"name": k, "value": v} for k, v in given.items()]},
            "templates": [
                dag("run", {"template": "begin"}, {"template": "partition", "withSequence": loop},
                    {"template": "report"}),
                dag("paint", {"template": "begin"},
                    {"template": "partition", "withSequence": span}),
                dag("partition", {"template": "ingest"}, {"template": "edit-1-sdxl"}),
                {"name": "begin", "container": {}},
                {"name": "ingest", "container": {}, "inputs": {"parameters": PARTITION}},
                {"name": "edit-1-sdxl", "container": {}, "inputs": {"parameters": PARTITION}},
                {"name": "report", "container": {}},
            ],
        },
    }  # fmt: skip


def dag(name: str, *tasks: Object) -> Object:
    return {"name": name, "dag": {"tasks": list(tasks)}}


def workflow(run: str, phase: str, nodes: Object | None = None, **spec: Any) -> Object:
    name = f"palimpsest-demo-{run}"
    return {
        "metadata": {"name": name, "labels": {"palimpsest.io/run": run, **LABELS}},
        "spec": {
            "workflowTemplateRef": {"name": "palimpsest-demo"},
            "arguments": {"parameters": [{"name": "run-id", "value": run}]}, **spec,
        },
        "status": {
            "phase": phase, "startedAt": "2026-11-21T06:40:00Z",
            "finishedAt": "2026-11-21T07:52:03Z" if phase in ("Succeeded", "Failed") else None,
            "storedWorkflowTemplateSpec": template("palimpsest-demo")["spec"],
            "nodes": nodes or {},
        },
    }  # fmt: skip


def node(stage: str, partition: int | None, phase: str, **more: Any) -> Object:
    """One pod, or with `tries` (the phases of its attempts) one step that was tried again."""
    where = "" if partition is None else f".partitions({partition}:{partition})"
    name = f"demo{where}.{stage}"
    given = [] if partition is None else [{"name": "partition", "value": str(partition)}]
    base = {"templateName": stage, "phase": phase, "startedAt": "2026-11-21T06:40:03Z",
            "inputs": {"parameters": given}} | more  # fmt: skip
    tries = base.pop("tries", None)
    if tries is None:
        return {name: {"name": name, "type": "Pod", **base}}
    pods = {f"{name}({i})": {"name": f"{name}({i})", "type": "Pod", **base, "phase": one}
            for i, one in enumerate(tries)}  # fmt: skip
    top = {"name": name, "type": "Retry", **base, "children": list(pods)}
    top.pop("progress", None)
    return {name: top, **pods}
