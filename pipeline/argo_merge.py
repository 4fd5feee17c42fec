"""What Argo's controller makes of a container template: a pod with what the workflow says of all
pods merged in, and with parameters filled in.
"""

from __future__ import annotations

import re
from typing import Any

from pipeline.argo_pod import Doc
from pipeline.errors import ConfigError

TAG = re.compile(r"\{\{(.*?)\}\}", re.S)
#: A pod has these from its template, else from the DAG around it, else from the workflow.
PLACED = ("nodeSelector", "tolerations", "affinity")
OWN = ("schedulerName", "serviceAccountName", "automountServiceAccountToken", "securityContext")
#: What counts as not said.
EMPTY: tuple[Any, ...] = (None, {}, [], "")
WHOLE = ("imagePullSecrets", "hostNetwork", "dnsPolicy", "dnsConfig")


def pod(found: Doc, around: Doc, spec: Doc) -> Doc:
    """The pod of the container template `found`, which the DAG template `around` calls. Raises a
    ConfigError for a mount of a volume that nobody defines."""
    whole = spec.get("podMetadata", {})
    own = found.get("metadata", {})
    meta = {kind: whole.get(kind, {}) | own.get(kind, {}) for kind in ("labels", "annotations")}
    meta["labels"] = {"workflows.argoproj.io/workflow": "{{workflow.name}}",
                      "workflows.argoproj.io/completed": "false"} | meta["labels"]  # fmt: skip
    body: Doc = {"restartPolicy": "Never"}
    for keys, places in ((PLACED, (found, around, spec)), (OWN, (found, spec)),
                         (WHOLE, (spec,))):  # fmt: skip
        for key in keys:
            said = [place[key] for place in places if place.get(key) not in EMPTY]
            body |= {key: said[0]} if said else {}
    priority = found.get("priorityClassName", spec.get("podPriorityClassName"))
    body |= {"priorityClassName": priority} if priority else {}
    if "activeDeadlineSeconds" in found:
        body["activeDeadlineSeconds"] = found["activeDeadlineSeconds"]
    main = {**found["container"], "name": "main"}
    volumes = {v["name"]: v for v in [*spec.get("volumes", ()), *found.get("volumes", ())]}
    mounted = list(dict.fromkeys(mount["name"] for mount in main.get("volumeMounts", ())))
    for name in [name for name in mounted if name not in volumes]:
        raise ConfigError(f"template {found['name']} mounts the volume {name!r}, which the "
                          "workflow does not have")  # fmt: skip
    body |= {"containers": [main], "volumes": [volumes[name] for name in mounted]}
    meta = {kind: said for kind, said in meta.items() if said}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body}


def filled(node: Any, scope: dict[str, str]) -> Any:
    """A tree with all its tags replaced; a ConfigError for a tag that nobody defines."""
    if isinstance(node, str):
        return TAG.sub(lambda tag: _value(tag[1].strip(), scope), node)
    if isinstance(node, dict):
        return {key: filled(value, scope) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(value, scope) for value in node]
    return node


def _value(name: str, scope: dict[str, str]) -> str:
    if name not in scope:
        raise ConfigError(f"{{{{{name}}}}} is not defined: known are {', '.join(sorted(scope))}")
    return scope[name]
