"""Pod Security Standard `restricted`, as published for Linux pods, in what our pods could break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Doc = dict[str, Any]
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
           "projected", "secret"}  # fmt: skip
PROFILES = {"RuntimeDefault", "Localhost"}


def violations(pod: Doc) -> list[str]:
    """One phrase for each rule that a pod breaks."""
    spec = pod["spec"]
    whole = spec.get("securityContext", {})
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += [f"sysctl {one['name']}" for one in whole.get("sysctls", ())]
    for volume in spec.get("volumes", ()):
        found += [f"volume {volume['name']}: {kind}" for kind in set(volume) - {"name"} - VOLUMES]
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group, ()):
            found += [f"{container['name']}: {said}" for said in _container(container, whole)]
    return found


def _container(container: Doc, whole: Doc) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**whole, **own}
    dropped = own.get("capabilities", {}).get("drop", ())
    added = set(own.get("capabilities", {}).get("add", ())) - {"NET_BIND_SERVICE"}
    faults = {
        "privileged": own.get("privileged", False),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
        "capabilities.drop": "ALL" not in dropped,
        "capabilities.add": added,
        "runAsNonRoot": both.get("runAsNonRoot") is not True,
        "runAsUser": 0 in (whole.get("runAsUser"), own.get("runAsUser")),
        "seccompProfile": both.get("seccompProfile", {}).get("type") not in PROFILES,
        "procMount": own.get("procMount", "Default") != "Default",
        "hostPort": any(port.get("hostPort") for port in container.get("ports", ())),
    }
    yield from (rule for rule, broken in faults.items() if broken)
