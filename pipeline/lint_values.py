"""Values that the CRDs of Argo restrict beyond their type, and the fields that Argo 4 took away."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from pipeline.lint_tree import Doc, Fault, Path, dotted, mapping, place, tagged, walk

QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
DURATION = re.compile(r"\d+|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+")
CRON = re.compile(r"(TZ=\S+ |CRON_TZ=\S+ )?(@(yearly|annually|monthly|weekly|daily|midnight|hourly)"
                  r"|@every \S+|[-*/,?\dA-Za-z]+( +[-*/,?\dA-Za-z]+){4})")  # fmt: skip
#: (parent, key) -> what it may be; a list's items have the list's key for a parent.
ENUMS: dict[tuple[str, str], str] = {
    ("retryStrategy", "retryPolicy"): "Always OnFailure OnError OnTransientError",
    ("podGC", "strategy"): "OnPodCompletion OnPodSuccess OnWorkflowCompletion OnWorkflowSuccess",
    ("artifactGC", "strategy"): "OnWorkflowCompletion OnWorkflowDeletion Never",
    ("volumeClaimGC", "strategy"): "OnWorkflowCompletion OnWorkflowSuccess",
    ("resource", "action"): "get create apply delete replace patch",
    ("resource", "mergeStrategy"): "strategic merge json",
    ("spec", "concurrencyPolicy"): "Allow Forbid Replace",
    ("container", "imagePullPolicy"): "Always IfNotPresent Never",
    ("script", "imagePullPolicy"): "Always IfNotPresent Never",
    ("container", "terminationMessagePolicy"): "File FallbackToLogsOnError",
    ("seccompProfile", "type"): "RuntimeDefault Localhost Unconfined",
    ("securityContext", "fsGroupChangePolicy"): "Always OnRootMismatch",
    ("tolerations", "operator"): "Exists Equal Lt Gt",
    ("tolerations", "effect"): "NoSchedule PreferNoSchedule NoExecute",
    ("ports", "protocol"): "TCP UDP SCTP",
    ("spec", "dnsPolicy"): "ClusterFirst ClusterFirstWithHostNet Default None",
}
DURATIONS = {("backoff", "duration"), ("backoff", "cap"), ("podGC", "deleteDelayDuration"),
             ("suspend", "duration")}  # fmt: skip
#: What Argo 4 no longer reads, and what took its place.
REMOVED = {("synchronization", "mutex"): "mutexes: [{name: ...}]",
           ("synchronization", "semaphore"): "semaphores: [{configMapKeyRef: ...}]",
           ("spec", "podPriority"): "podPriorityClassName",
           ("workflowSpec", "podPriority"): "podPriorityClassName",
           ("spec", "schedule"): "schedules: [...]"}  # fmt: skip


def free(path: Path) -> bool:
    """Whether it lies in a `plugin` template: nobody but that plugin knows what may stand there."""
    return "plugin" in path[:-1] and not {"artifacts", "archiveLocation"} & set(path)


def removed(doc: Doc) -> Iterator[tuple[Path, Fault]]:
    """Fields that Argo no longer reads, by where they are."""
    for path, key, _ in _keys(doc):
        if key in REMOVED:
            yield path, Fault(place(doc, path), f"{dotted(path)} is no field since Argo 4: write "
                              f"{REMOVED[key]}")  # fmt: skip


def values(doc: Doc) -> Iterator[Fault]:
    """Enums, quantities, durations and schedules that are none."""
    for path, key, value in _keys(doc):
        if said := _value(key, value, "resources" in path[:-2]):
            yield Fault(place(doc, path), f"{dotted(path)}: {said}")
    if doc["kind"] == "CronWorkflow" and not mapping(doc, "spec").get("schedules"):
        yield Fault("", "spec.schedules is missing: give at least one, such as '0 3 * * *'")


def _keys(doc: Doc) -> Iterator[tuple[Path, tuple[str, str], Any]]:
    """Each value of the spec, with its key and the key above; for an item, those of its list."""
    for path, value in walk({"spec": doc.get("spec")}):
        names = [part for part in path if isinstance(part, str)]
        plain = not isinstance(value, dict | list) or path[-1:] == tuple(names[-1:])
        if names and plain and not free(path):
            yield path, (names[-2] if len(names) > 1 else "", names[-1]), value


def _value(key: tuple[str, str], value: Any, resources: bool) -> str:
    """Why a plain value cannot stand there, or ""."""
    if isinstance(value, dict | list) or value is None or tagged(value):
        return ""
    if key in ENUMS and value not in (known := ENUMS[key].split()):
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
        return f"{value!r} is no such value; {hint}"
    quantity = key[0] in ("limits", "requests") and resources
    if (quantity or key == ("emptyDir", "sizeLimit")) and not QUANTITY.fullmatch(str(value)):
        return f"{value!r} is no quantity: write a number and a unit, such as 500m, 32Gi or 1"
    if key in DURATIONS and not DURATION.fullmatch(str(value)):
        return f"{value!r} is no duration: write 30s, 10m or 1h30m"
    if key == ("spec", "schedules") and not CRON.fullmatch(str(value)):
        return f"{value!r} is no schedule: write five fields, such as '0 3 * * *'"
    whole = not isinstance(value, bool) and re.fullmatch(r"[1-9]\d*", str(value))
    if key[1] == "activeDeadlineSeconds" and not whole:
        return f"{value!r} is not a number of seconds above 0"
    return ""
