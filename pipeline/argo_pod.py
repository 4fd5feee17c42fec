"""One stage as the template of a pod: image, command, resources, mounts, rights and retries.

What varies from run to run is an Argo parameter or lies in the mounted config; everything else is
static text, so that a site can read the file and overlay it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.code import VERSION
from pipeline.errors import SUSPECT, TRANSIENT
from pipeline.stage import Stage

Doc = dict[str, Any]
#: Where a run lies in every pod, and the settings that the begin and fetch pods read.
RUN = Path("/data/runs/{{workflow.parameters.run-id}}")
CONFIG = "/etc/palimpsest/config.yaml"
#: The token of the model hub, in fetch pods only.
HUB_TOKEN = "/var/run/secrets/palimpsest/hf"
USER = 10001
#: On which the stages' processes serve theirs, as their images say.
METRICS_PORT = 9090
HOUR = 3600
#: What a pod asks for: CPUs and memory. It is never given more than it asks for, so that a pod that
#: outgrows it is killed by itself (137, tried again) and not its neighbour.
CPU_ONLY = {"base": ("1", "2Gi"), "editor": ("1", "4Gi"), "train": ("1", "4Gi")}
#: Modules that hold a whole run's index or a whole dataset's pages at once.
LARGE = {"jobs.index": ("1", "8Gi"), "training.report": ("1", "8Gi")}
#: A GPU pod holds a copy of its model's weights in memory while it loads them.
GPU_CPUS, GPU_EXTRA_GIB = "4", 8
#: Hours that a pod may take before it counts as stuck and is tried again.
HOURS = {
    "jobs.fetch": 12, "jobs.generate": 48, "jobs.edit": 48, "jobs.replay": 48,
    "jobs.propose": 48, "jobs.segment": 48, "jobs.index": 24,
    "training.train": 168, "training.evaluate": 24,
}  # fmt: skip
#: Ends that promise that another try may help: a full disk, a suspect machine, killed, moved; and
#: none at all (-1), which a pod has whose machine went away. Not 1 (a bug) nor 78 (settings).
RETRIED = (-1, TRANSIENT, SUSPECT, 137, 143)
RETRY_POD = f"lastRetry.status == 'Error' or asInt(lastRetry.exitCode) in {list(RETRIED)}"
SECURITY: Doc = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY: Doc = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True)
class Command:
    """What a pod runs, besides the stages: `python -m module *args`."""

    name: str
    module: str
    args: tuple[str, ...]
    image: str = "base"
    config: bool = False
    family: str = ""
    online: bool = False


def volumes(profile: str) -> list[Doc]:
    """All that pods may mount. The names of claim, secret and config map are a site's to change."""
    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": "palimpsest-data"}},
        {"name": "models", "persistentVolumeClaim": {"claimName": "palimpsest-models"}},
        {"name": "config", "configMap": {"name": f"palimpsest-config-{profile}"}},
        {"name": "hf-token", "secret": {"secretName": "palimpsest-hf-token", "optional": True,
                                        "defaultMode": 0o440}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
    ]  # fmt: skip


def retry(expression: str) -> Doc:
    """At most four more tries, half a minute to ten minutes apart, each on another machine."""
    return {
        "limit": "4",
        "retryPolicy": "Always",
        "expression": expression,
        "backoff": {"duration": "30s", "factor": "2", "cap": "10m"},
        "affinity": {"nodeAntiAffinity": {}},
    }


def labels(component: str, stage: str, family: str = "", partition: str = "") -> Doc:
    found = {
        "app.kubernetes.io/name": "palimpsest",
        "app.kubernetes.io/part-of": "palimpsest",
        "app.kubernetes.io/component": component,
        "palimpsest.io/stage": stage,
        "palimpsest.io/family": family,
        "palimpsest.io/partition": partition,
        "palimpsest.io/run": "{{workflow.parameters.run-id}}",
    }
    return {key: value for key, value in found.items() if value}


def metadata(stage: Stage) -> Doc:
    """Labels of a stage's pods, and the memory that its GPU needs, for whoever places it."""
    own = stage.given
    partition = "{{inputs.parameters.partition}}" if stage.scope == "shard" else ""
    kind = stage.module.rsplit(".", 1)[-1]
    found: Doc = {"labels": labels(kind, stage.name, own.get("--family", ""), partition)}
    if stage.gpu_gib:
        found["annotations"] = {"palimpsest.io/gpu-gib": str(stage.gpu_gib)}
    return found


def resources(module: str, image: str, gpu_gib: int = 0) -> Doc:
    """Quantities are strings: Argo's own schema wants them so."""
    cpu, memory = LARGE.get(module, CPU_ONLY[image])
    if gpu_gib:
        cpu, memory = GPU_CPUS, f"{gpu_gib + GPU_EXTRA_GIB}Gi"
    asked = {"cpu": cpu, "memory": memory}
    gpu = {"nvidia.com/gpu": "1"} if gpu_gib else {}
    return {"requests": {**asked, **gpu}, "limits": {**asked, **gpu}}


def environment(online: bool = False) -> list[Doc]:
    """What pods are told beyond their image's own variables, which are the same for all of them."""
    return [] if online else [{"name": "HF_HUB_OFFLINE", "value": "1"}]


def mounts(image: str, config: bool = False, fetch: bool = False) -> list[Doc]:
    found: list[Doc] = [
        {"name": "data", "mountPath": "/data"},
        {"name": "models", "mountPath": "/models"} | ({} if fetch else {"readOnly": True}),
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if image != "base":
        found.append({"name": "shm", "mountPath": "/dev/shm"})
    if config:
        found.append({"name": "config", "mountPath": str(Path(CONFIG).parent), "readOnly": True})
    if fetch:
        found.append({"name": "hf-token", "mountPath": HUB_TOKEN, "readOnly": True})
    return found


def container(module: str, args: list[str], image: str, gpu_gib: int = 0) -> Doc:
    return {
        "name": "main",
        "image": f"palimpsest/{image}:{VERSION}",
        "command": ["python", "-m", module],
        "args": args,
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "env": environment(),
        "resources": resources(module, image, gpu_gib),
        "volumeMounts": mounts(image),
        "securityContext": SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def argo_name(name: str) -> str:
    """A stage's name as Argo takes it; families may have an underscore in theirs."""
    return name.replace("_", "-")


def stage_pod(stage: Stage, argv: list[str]) -> Doc:
    """The template of a stage that one process computes."""
    inputs = {"inputs": {"parameters": [{"name": "partition"}]}} if stage.scope == "shard" else {}
    return {
        "name": argo_name(stage.name),
        **inputs,
        "metadata": metadata(stage),
        "activeDeadlineSeconds": HOURS.get(stage.module, 8) * HOUR,
        "retryStrategy": retry(RETRY_POD),
        "container": container(stage.module, argv, stage.image, stage.gpu_gib),
    }


def command_pod(command: Command, retried: bool = True) -> Doc:
    """The template of a pod that is no stage."""
    fetch = command.online
    main = container(command.module, list(command.args), command.image)
    main["env"] = environment(command.online)
    del main["ports"]  # over before anyone would ask
    main["volumeMounts"] = mounts(command.image, command.config, fetch)
    kind = command.name.split("-")[0]
    again = {"retryStrategy": retry(RETRY_POD)} if retried else {}
    return {
        "name": argo_name(command.name),
        "metadata": {"labels": labels(kind, command.name, command.family)},
        "activeDeadlineSeconds": HOURS.get(command.module, 8) * HOUR,
        **again,
        "container": main,
    }
