"""A pod as `podman kube play` takes it: what a node of a cluster does and podman 4.3 does not.

The security context, the read-only root, commands, limits and mounts go through as they are. Done
here: variables in variables, the labels a variable is read from, memory volumes that belong to the
pod alone, the group that owns a claim, and secrets that may be missing.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.engine import podman

Doc = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """What the cluster has: a name for this rehearsal, config maps, and claims as podman's volumes
    by their name in the pods."""

    name: str
    config_maps: Mapping[str, Doc]
    claims: Mapping[str, str]


@dataclass
class Running:
    """A pod that was started: its name, its container's, and the volumes that are its own."""

    pod: str
    container: str
    volumes: list[str] = field(default_factory=list)

    def remove(self) -> None:
        podman("pod", "rm", "--force", "--ignore", "--time", "0", self.pod)
        for volume in self.volumes:
            podman("volume", "rm", "--force", volume)


def volume(name: str, owner: int, *options: str) -> None:
    """Make a volume that the group `owner` may write to."""
    given = ["--opt", ",".join([f"o=uid={owner},gid={owner}", *options])]
    if options:
        given += ["--opt", "type=tmpfs", "--opt", "device=tmpfs"]
    podman("volume", "create", *given, name)


def start(pod: Doc, site: Site, attempt: int, rendezvous: str = "") -> Running:
    """Start a pod. It has no network at all, but for one of a Job, which finds the others by the
    host name `rendezvous`."""
    pod = copy.deepcopy(pod)
    spec = pod["spec"]
    tail = pod["metadata"]["name"].removeprefix(f"{site.name}-")[-45:].lstrip("-")
    name = pod["metadata"]["name"] = f"{site.name}-{tail}-{attempt}"  # 63 at most, as a host name
    (main,) = spec["containers"]
    found = Running(name, f"{name}-{main['name']}")
    main.pop("ports", None)  # without a bridge there is nothing to map a port to
    main["env"] = environment(pod, main["env"])
    spec["volumes"] = [one for one in spec["volumes"] if not one.get("secret", {}).get("optional")]
    mounted = {one["name"] for one in spec["volumes"]}
    main["volumeMounts"] = [one for one in main["volumeMounts"] if one["name"] in mounted]
    documents = [pod]
    for one in spec["volumes"]:
        own = f"{name}-{one['name']}"
        if "persistentVolumeClaim" in one:
            claim = one["persistentVolumeClaim"]["claimName"]
            one["persistentVolumeClaim"] = {"claimName": site.claims[claim]}
            continue
        found.volumes.append(own)
        if "emptyDir" in one:
            del one["emptyDir"]
            volume(own, spec["securityContext"]["fsGroup"], "mode=1777")
            one["persistentVolumeClaim"] = {"claimName": own}
        else:
            config = site.config_maps[one["configMap"]["name"]]
            documents.insert(0, config | {"metadata": {"name": own}})
            one["configMap"] = {"name": own}
    network = "host" if rendezvous else "none"
    try:
        podman("kube", "play", "--network", network, "-", stdin=yaml.safe_dump_all(documents))
    except RuntimeError:
        found.remove()
        raise
    if rendezvous:
        # podman 4.3 forgets hostAliases on the host's network; torch asks until it is told
        hosts = Path(podman("inspect", "--format", "{{.HostsPath}}", found.container))
        with hosts.open("a") as file:
            file.write(f"127.0.0.1\t{rendezvous} {spec['hostname']}\n")
    return found


def environment(pod: Doc, env: list[Doc]) -> list[Doc]:
    """Variables with plain values: those read from a label, and those made of earlier ones."""
    values: dict[str, str] = {}
    for variable in env:
        value = variable.get("value")
        if value is None:
            path = variable["valueFrom"]["fieldRef"]["fieldPath"]
            match = re.fullmatch(r"metadata\.labels\['(.+)'\]", path)
            assert match, f"{variable['name']} is read from {path}, which this does not imitate"
            value = pod["metadata"]["labels"][match[1]]
        values[variable["name"]] = re.sub(
            r"\$\((\w+)\)", lambda name: values.get(name[1], name[0]), value
        )
    return [{"name": name, "value": value} for name, value in values.items()]
