"""The chart as plain manifests, for `kubectl apply -k`: a base, overlays, and workflows to submit.

The base is what Helm renders with the chart's own values, a file for each object; an overlay is the
difference that a set of values makes to it. What a Prometheus operator and a Grafana read is a
component, to be added to any of them. All of it is generated; nobody edits it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.argo_pod import Doc
from pipeline.argo_yaml import as_yaml

#: The release's name and namespace; a kustomization of one's own may change the latter.
NAME = "palimpsest"
#: The base's values, and those that add the component `monitoring` and change nothing else.
BASE: Doc = {"metrics": {"operator": False, "dashboards": {"enabled": False}}}
MONITORING: Doc = {"metrics": {"operator": True}}
#: Overlays, and the values of the chart that each stands for: one node without shared storage; a
#: Kueue LocalQueue that admits pods and training jobs.
SINGLE = {"accessModes": ["ReadWriteOnce"], "size": "10Gi"}
OVERLAYS: dict[str, Doc] = {
    "minimal": {
        "profiles": ["demo"],
        "storage": {"singleNode": True, "data": SINGLE, "models": SINGLE},
        "networkPolicy": {"enabled": False},
    },
    "kueue": {"kueue": {"queueName": "palimpsest"}},
}
#: The component, and the overlay of the base with it.
WATCHED = "monitoring"
#: What only Helm means something by.
HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by")
HOOK = "helm.sh/hook"
HEAD = "# Rendered by `palimpsest render`; see docs/running-on-a-cluster.md.\n"
Key = tuple[str, str]
#: libyaml where there is one; the same documents, ten times as fast.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def generated(chart: Path) -> dict[str, str]:
    """Path below manifests/ -> text."""
    base = objects(chart, BASE)
    files = {f"base/{_file(key)}": HEAD + as_yaml(one) for key, one in base.items()}
    files["base/kustomization.yaml"] = HEAD + as_yaml({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": NAME, "resources": sorted(_file(key) for key in base),
    })  # fmt: skip
    for name, values in OVERLAYS.items():
        changed = overlay(base, objects(chart, BASE | values))
        files |= {f"overlays/{name}/{path}": text for path, text in changed.items()}
    added = component(base, objects(chart, MONITORING | {"profiles": ["demo"]}))  # one is enough
    files |= {f"components/{WATCHED}/{path}": text for path, text in added.items()}
    both = overlay(base, base, f"../../components/{WATCHED}")
    files |= {f"overlays/{WATCHED}/{path}": text for path, text in both.items()}
    return files | {f"examples/{name}.yaml": text for name, text in examples().items()}


def objects(chart: Path, values: Doc) -> dict[Key, Doc]:
    """What Helm makes of the chart, by kind and name, without hooks and Helm's own labels."""
    from helm_python import Chart

    texts = Chart.load(str(chart)).render(values, name=NAME, namespace=NAME)
    found: dict[Key, Doc] = {}
    for path, text in sorted(texts.items()):
        for one in yaml.load_all(text, Loader) if path.endswith(".yaml") else ():
            if one and HOOK not in (one["metadata"].get("annotations") or {}):
                found[one["kind"], one["metadata"]["name"]] = _plain(one)
    for (kind, _), one in found.items():
        if kind == "ServiceAccount":  # else kustomize does not move a RoleBinding's subject along
            one["metadata"]["namespace"] = NAME
    return found


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items() if key not in HELM}
    return [_plain(value) for value in node] if isinstance(node, list) else node


def _file(key: Key) -> str:
    return f"{key[0].lower()}-{key[1]}.yaml"


def component(base: dict[Key, Doc], other: dict[Key, Doc]) -> dict[str, str]:
    """The files of a component that adds to any base what `other` has and `base` has not."""
    added = {_file(key): one for key, one in other.items() if key not in base}
    files = {path: HEAD + as_yaml(one) for path, one in added.items()}
    files["kustomization.yaml"] = HEAD + as_yaml({
        "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component",
        "resources": sorted(added),
    })  # fmt: skip
    return files


def overlay(base: dict[Key, Doc], other: dict[Key, Doc], *components: str) -> dict[str, str]:
    """The files of a kustomization that makes `other` of `base`, and adds `components`."""
    files: dict[str, str] = {}
    patches: list[Doc] = []
    for (kind, name), one in base.items():
        target = {"kind": kind, "name": name}
        if (kind, name) not in other:
            # kustomize finds what to delete by what an object is, its version included
            gone = {"apiVersion": one["apiVersion"], "kind": kind, "metadata": {"name": name},
                    "$patch": "delete"}  # fmt: skip
            patches.append({"target": target, "patch": as_yaml(gone)})
        elif changes := list(difference(one, other[kind, name], "")):
            path = f"change-{_file((kind, name))}"
            files[path] = HEAD + as_yaml(changes)
            patches.append({"target": target, "path": path})
    added = {_file(key): one for key, one in other.items() if key not in base}
    files |= {path: HEAD + as_yaml(one) for path, one in added.items()}
    files["kustomization.yaml"] = HEAD + as_yaml({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": NAME, "resources": ["../../base", *sorted(added)],
        **({"components": list(components)} if components else {}),
        **({"patches": patches} if patches else {}),
    })  # fmt: skip
    return files


def difference(one: Any, other: Any, path: str) -> list[Doc]:
    """JSON patch operations that make `other` of `one`. Lists of one length are compared item by
    item, others replaced."""
    if isinstance(one, dict) and isinstance(other, dict):
        found: list[Doc] = []
        for key in [*one, *(key for key in other if key not in one)]:
            here = f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"
            if key not in other:
                found.append({"op": "remove", "path": here})
            elif key not in one:
                found.append({"op": "add", "path": here, "value": other[key]})
            else:
                found += difference(one[key], other[key], here)
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [step for i, (a, b) in pairs for step in difference(a, b, f"{path}/{i}")]
    same = type(one) is type(other) and one == other  # True is not 1
    return [] if same else [{"op": "replace", "path": path, "value": other}]


def examples() -> dict[str, str]:
    """Workflows for `kubectl create -f` or `argo submit`."""
    known = {
        "demo": ("demo", "", {}, "The nine sample photographs on CPU nodes, minutes."),
        "paper": ("paper", "", {"run-id": "paper", "photos": "/data/photos"},
                  "The paper's 60,000 candidates on GPU nodes. Put photographs into the claim "
                  "first."),
        "paper-range": ("paper", "paint", {"run-id": "paper", "first-partition": "0",
                                           "last-partition": "2"},
                        "Three of the paper's partitions. A run of millions is many of these, one "
                        "after another, with `partitions` the same in all, then the entrypoint "
                        "`finish`."),
        "one-family": ("one-family", "", {"run-id": "one-family", "photos": "/data/photos"},
                       "One family alone, on GPU nodes: a good first run on a new cluster."),
        "train-and-evaluate": ("demo", "train-and-evaluate", {"run-id": "demo"},
                               "Only the detectors, of a run whose index stands."),
        "resume": ("demo", "", {"run-id": "demo"},
                   "The same run id again: what is committed is never computed twice."),
    }  # fmt: skip
    return {name: example(*how) for name, how in known.items()}


def example(profile: str, entrypoint: str, given: dict[str, str], about: str) -> str:
    chosen = {"entrypoint": entrypoint} if entrypoint else {}
    values = [{"name": name, "value": value} for name, value in given.items()]
    arguments = {"arguments": {"parameters": values}} if given else {}
    head = f"# {about}\n# kubectl create -n {NAME} -f this-file\n"
    return head + as_yaml({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{profile}-"},
        "spec": {"workflowTemplateRef": {"name": f"{NAME}-{profile}"}, **chosen, **arguments},
    })  # fmt: skip
