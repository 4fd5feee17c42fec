"""The pods that a workflow or another object comes to, and whether a cluster would take them.

The project's own workflows are expanded, from every template that nobody else calls, and each pod
is looked at: the API's schema where kubernetes-validate is installed, Pod Security, house rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec

from pipeline import pods
from pipeline.errors import ConfigError
from pipeline.lint_house import again, house
from pipeline.lint_security import restricted
from pipeline.lint_tree import Doc, Fault, listing, mapping, ours, tasks, text, workflow_spec

#: The oldest Kubernetes that is meant: a field that it does not know is dropped there.
KUBERNETES = "1.31"
#: Where an object of a kind holds the pod that it makes.
PODS = {
    "Pod": (),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
} | dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), ("spec", "template"))


def schemas() -> bool:
    """Whether objects of Kubernetes itself can be checked here."""
    return find_spec("kubernetes_validate") is not None


def expanded(doc: Doc) -> tuple[list[pods.Node], list[Fault]]:
    """One node for each template of a workflow that runs something, and why there are not more."""
    nodes: dict[str, pods.Node] = {}
    faults: list[Fault] = []
    spec = workflow_spec(doc)
    known = [{"value": "1"} | one for one in listing(spec, "arguments", "parameters")]
    filled = {"spec": spec | {"arguments": {"parameters": known}}}
    for start in starts(spec):
        try:
            for node in pods.expand(filled, few(doc), start):
                nodes.setdefault(node.template, node)
        except ConfigError as error:
            faults.append(Fault(start, str(error)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            faults.append(Fault(start, f"its pods cannot be worked out ({error!r}): write it as "
                                "`palimpsest render` does"))  # fmt: skip
    return list(nodes.values()), faults


def starts(spec: Doc) -> list[str]:
    """The entrypoint, and every template that no other calls: one may be submitted by its name."""
    every = listing(spec, "templates")
    called = {text(task, "template") for one in every for task in tasks(one)}
    called |= {text(spec, "onExit"), text(spec, "entrypoint")}
    return [text(spec, "entrypoint"), *(name for one in every
                                        if (name := text(one, "name")) not in called)]  # fmt: skip


def few(doc: Doc) -> dict[str, str]:
    """One partition is as good as a thousand."""
    known = {text(one, "name") for one in listing(workflow_spec(doc), "arguments", "parameters")}
    small = {"partitions": "1", "first-partition": "0", "last-partition": "0"}
    return {name: value for name, value in small.items() if name in known}


def of_workflow(doc: Doc) -> tuple[int, list[Fault]]:
    """How many pods a workflow of ours comes to, one a template, and what is wrong with them."""
    nodes, faults = expanded(doc)
    sound = taken([node.manifest for node in nodes])
    for node in nodes:
        found = [*pod_of(node.manifest), *(() if sound else api(node.manifest))]
        found += [Fault("", said) for said in again(node.retried, node.limit)]
        found += [Fault("", said) for said in _ends(node)]
        faults += [Fault("/".join(filter(None, (node.template, one.where))), one.text)
                   for one in found]  # fmt: skip
    return len(nodes), faults


def _ends(node: pods.Node) -> Iterator[str]:
    if not mapping(node.manifest, "spec").get("activeDeadlineSeconds"):
        yield "activeDeadlineSeconds is missing: a pod that hangs would keep its node for ever"


def pod_of(doc: Doc) -> Iterator[Fault]:
    """What is wrong with the pod in an object of a kind that holds one."""
    if doc.get("kind") not in PODS:
        return
    pod = mapping(doc, *PODS[doc["kind"]])
    yield from restricted(pod)
    yield from house(pod)


def of_object(doc: Doc) -> Iterator[Fault]:
    """What is wrong with an object that is none of Argo's; rules of the house only for ours."""
    yield from api(doc)
    if ours(doc):
        yield from pod_of(doc)


def known(doc: Doc) -> bool:
    """Whether there is a schema for an object of that kind."""
    import kubernetes_validate  # type: ignore[import-untyped]

    try:
        kubernetes_validate.validate(doc, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return False
    except kubernetes_validate.ValidationError:
        pass
    return True


def taken(docs: list[Doc]) -> bool:
    """Whether the API server takes all of them as they are: asked of one list a kind, since the
    schemas, a megabyte, are read anew for each object that is asked about. `api` says what is
    wrong with one."""
    lists: dict[tuple[str, str], list[Doc]] = {}
    for doc in docs:
        lists.setdefault((text(doc, "apiVersion"), text(doc, "kind")), []).append(doc)
    every = ({"apiVersion": version, "kind": f"{kind}List", "metadata": {}, "items": items}
             for (version, kind), items in lists.items())  # fmt: skip
    return not any(fault for one in every for fault in api(one))


def api(doc: Doc) -> Iterable[Fault]:
    """What the API server refuses or drops."""
    if not schemas():
        return
    import kubernetes_validate

    try:
        kubernetes_validate.validate(doc, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(str(part) for part in error.path)
        yield Fault("", f"{where or 'it'}: {error.message:.300}")
    except kubernetes_validate.SchemaNotFoundError as error:
        kind = f"{doc.get('apiVersion')} {doc.get('kind')}"
        yield Fault("", f"Kubernetes {error.version} knows no {kind}: correct its apiVersion")
