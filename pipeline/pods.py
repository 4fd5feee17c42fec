"""The pods that Argo would make of a WorkflowTemplate, in their order, without a cluster.

Every item of every loop, parameters filled in, what the workflow's spec says merged into each pod
as the controller does it. Whoever checks, lints or runs these sees what a cluster would. Left out
are Argo's own parts: its init and wait containers, and the pod that watches over a Job. What is not
imitated (steps, scripts, patches, expressions ...) is refused, never passed over.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from pipeline import strict
from pipeline.argo_merge import filled, pod
from pipeline.argo_nodes import sequence
from pipeline.argo_pod import Doc
from pipeline.errors import ConfigError

#: What is imitated; a key that is none of these could change a pod without our knowing.
TEMPLATE = {"name", "inputs", "metadata", "activeDeadlineSeconds", "retryStrategy", "container",
            "resource", "dag", "nodeSelector", "tolerations", "affinity", "schedulerName",
            "priorityClassName", "serviceAccountName", "automountServiceAccountToken",
            "securityContext", "volumes"}  # fmt: skip
REFUSED = ("templateDefaults", "podSpecPatch", "volumeClaimTemplates", "hostAliases", "hooks")


@dataclass(frozen=True)
class Node:
    """One pod, or one Job, of a workflow.

    `name` is unique and tells where it lies, as Argo's does: `partitions(0:0).plan`. `needs` are
    the nodes it waits for. After the exit codes `retried` (-1: none known) Argo starts it again, at
    most `limit` times; a Job's are those of the pod that watches it, and what ends a Job for good
    stands in its podFailurePolicy. `last` runs at the end, whatever became of the others.
    """

    name: str
    template: str
    needs: tuple[str, ...]
    kind: Literal["Pod", "Job"]
    manifest: Doc
    retried: frozenset[int] = frozenset()
    limit: int = 0
    last: bool = False


def expand(
    template: Doc, parameters: dict[str, str] | None = None, entrypoint: str | None = None,
    namespace: str = "default", workflow: str = "w",
) -> tuple[Node, ...]:  # fmt: skip
    """All nodes, each after those it needs. Raises a ConfigError for what would not run: a template
    or parameter that is not there, and for what is not imitated."""
    spec = template["spec"]
    for key in [key for key in REFUSED if key in spec]:
        raise ConfigError(f"spec.{key} is not expanded: say it in each template")
    start = entrypoint or spec["entrypoint"]
    known = {p["name"]: str(p["value"]) for p in spec["arguments"]["parameters"]}
    own = [name for one in spec["templates"] if one["name"] == start for name in _inputs(one)]
    for name in [name for name in parameters or {} if name not in [*known, *own]]:
        raise ConfigError(f"no workflow parameter {name!r}: known are {', '.join(known)}")
    values = known | (parameters or {})
    scope = {f"workflow.parameters.{name}": value for name, value in values.items()}
    scope |= {"workflow.name": workflow, "workflow.namespace": namespace}
    walk = _Walk(spec, values, scope)
    given = {f"inputs.parameters.{name}": values[name] for name in own if name in values}
    walk.enter(start, "", scope | given, {}, ())
    if "onExit" in spec:
        before = tuple(node.name for node in walk.nodes)
        walk.enter(spec["onExit"], "onExit", scope, {}, before, last=True)
    return tuple(walk.nodes)


class _Walk:
    def __init__(self, spec: Doc, values: dict[str, str], scope: dict[str, str]) -> None:
        self.spec, self.values, self.scope = spec, values, scope
        self.templates = {one["name"]: one for one in spec["templates"]}
        self.nodes: list[Node] = []
        self.open: list[str] = []  # the DAGs that we are in

    def enter(
        self, name: str, path: str, inputs: dict[str, str], around: Doc, needs: tuple[str, ...],
        last: bool = False,
    ) -> tuple[str, ...]:  # fmt: skip
        """Add the nodes of a template; the names of those that end it."""
        if name not in self.templates:
            raise ConfigError(f"no template {name!r}, which {path or 'the entrypoint'} asks for")
        found = self.templates[name]
        for key in sorted(set(found) - TEMPLATE):
            raise ConfigError(f"template {name}: {key} is not expanded")
        if "dag" not in found:
            where = path or name
            self.nodes.append(self._leaf(found, where, inputs, around, needs, last))
            return (where,)
        if name in self.open:
            raise ConfigError(f"template {name} calls itself")
        self.open.append(name)
        tasks = {one["name"]: one for one in found["dag"]["tasks"]}
        edges = {one: _needs(task, tasks, name) for one, task in tasks.items()}
        ends: dict[str, tuple[str, ...]] = {}
        for one in _ordered(edges, name):
            before = tuple(end for other in edges[one] for end in ends[other]) or needs
            ends[one] = tuple(self._task(tasks[one], path, inputs, found, before, last))
        self.open.pop()
        inner = {other for names in edges.values() for other in names}
        return tuple(end for one in tasks if one not in inner for end in ends[one])

    def _task(
        self, task: Doc, path: str, inputs: dict[str, str], dag: Doc, needs: tuple[str, ...],
        last: bool,
    ) -> Iterator[str]:  # fmt: skip
        where = f"{path}.{task['name']}" if path else task["name"]
        for index, item in self._items(task):
            given = {
                f"inputs.parameters.{p['name']}": filled(p["value"], inputs | item)
                for p in task.get("arguments", {}).get("parameters", ())
            }
            here = f"{where}({index}:{item['item']})" if item else where
            yield from self.enter(task["template"], here, self.scope | given, dag, needs, last)

    def _items(self, task: Doc) -> Iterator[tuple[int, dict[str, str]]]:
        if "withSequence" not in task:
            yield 0, {}
            return
        for index, item in enumerate(sequence(task["withSequence"], self.values)):
            yield index, {"item": str(item)}

    def _leaf(
        self, found: Doc, path: str, inputs: dict[str, str], around: Doc, needs: tuple[str, ...],
        last: bool,
    ) -> Node:  # fmt: skip
        again = found.get("retryStrategy", {})
        codes, limit = retried(again.get("expression", "")), int(again.get("limit", 0))
        name = re.sub(r"[^a-z0-9]+", "-", path.lower())[-60:].strip("-")
        if "resource" in found:
            manifest = strict.mapping(filled(found["resource"]["manifest"], inputs), path)
            return Node(path, found["name"], needs, "Job", manifest, codes, limit, last)
        manifest = filled(pod(copy.deepcopy(found), around, self.spec), inputs)
        manifest["metadata"] |= {
            "name": f"{self.scope['workflow.name']}-{name}",
            "namespace": self.scope["workflow.namespace"],
        }
        return Node(path, found["name"], needs, "Pod", manifest, codes, limit, last)


def _inputs(template: Doc) -> list[str]:
    return [p["name"] for p in template.get("inputs", {}).get("parameters", ())]


def _needs(task: Doc, tasks: Iterable[str], dag: str) -> list[str]:
    """The tasks that a task waits for: names joined by `&&`."""
    names: list[str] = [name for name in task.get("depends", "").split(" && ") if name]
    for name in [name for name in names if name not in tasks]:
        raise ConfigError(f"template {dag}: {task['name']} depends on {name!r}, which is no task "
                          "of it: give names joined by &&")  # fmt: skip
    return names


def _ordered(edges: dict[str, list[str]], dag: str) -> Iterable[str]:
    try:
        return list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        raise ConfigError(f"template {dag} has a cycle: {' -> '.join(error.args[1])}") from None


def retried(expression: str) -> frozenset[int]:
    """The exit codes that a retryStrategy's expression lists."""
    found = re.search(r"in \[([-\d, ]*)\]", expression)
    return frozenset(int(code) for code in found[1].split(",")) if found else frozenset()


def members(job: Doc, name: str, namespace: str = "default") -> tuple[Doc, ...]:
    """The pods of an Indexed Job called `name`, as its controller would make them."""
    spec, template = job["spec"], job["spec"]["template"]
    return tuple(
        _member(copy.deepcopy(template), name, index, namespace)
        for index in range(spec["completions"])
    )


def _member(pod: Doc, job: str, index: int, namespace: str) -> Doc:
    found = {"batch.kubernetes.io/job-name": job,
             "batch.kubernetes.io/job-completion-index": str(index)}  # fmt: skip
    labels = pod["metadata"].get("labels", {}) | found
    field = "metadata.labels['batch.kubernetes.io/job-completion-index']"
    for container in pod["spec"]["containers"]:
        container.setdefault("env", []).append(
            {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": field}}}
        )
    pod["spec"]["hostname"] = f"{job}-{index}"
    meta = pod["metadata"] | {"name": f"{job}-{index}", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod["spec"]}
