"""What a workflow's status says: which steps it has, and how far each one is. No I/O."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.cluster.api import RUN, Object

#: Phases after which nothing more happens.
ENDED = {"Succeeded", "Failed", "Error", "Skipped", "Omitted"}
GOOD, BAD = "Succeeded", ("Failed", "Error")
#: A loop's element in a node's name: `demo-x.run.partitions(3:3).edit-1-sdxl(0)`.
_ITEM = re.compile(r"\(\d+:(\d+)\)")


@dataclass(frozen=True)
class Step:
    """A stage over one partition (None: over all): `done` of `total` in whatever unit the pod
    reports, the times it was tried again, and what it said last."""

    stage: str
    partition: int | None
    phase: str
    done: int = 0
    total: int = 1
    retries: int = 0
    message: str = ""

    @property
    def share(self) -> float:
        """0 to 1."""
        return 1.0 if self.phase == GOOD else min(1.0, self.done / max(1, self.total))

    def __str__(self) -> str:
        return self.stage if self.partition is None else f"{self.stage} {self.partition}"


class Hidden(Exception):
    """The controller keeps this workflow's nodes in a database of its own."""


def nodes(workflow: Object) -> dict[str, Object]:
    """Every node by id, also of a status that the controller has compressed. Raises `Hidden`."""
    status = workflow.get("status") or {}
    if packed := status.get("compressedNodes"):
        found: dict[str, Object] = json.loads(gzip.decompress(base64.b64decode(packed)))
        return found
    if status.get("offloadNodeStatusVersion"):
        raise Hidden
    return status.get("nodes") or {}


def steps(workflow: Object) -> list[Step]:
    """What has been begun: one step for all attempts at it. In the order in which they began."""
    known = nodes(workflow)
    tried = {child for node in known.values() if node["type"] == "Retry"
             for child in node.get("children", ())}  # fmt: skip
    tops = [node for key, node in known.items()
            if node["type"] == "Retry" or (node["type"] == "Pod" and key not in tried)]  # fmt: skip
    tops.sort(key=lambda node: (node.get("startedAt") or "~", node["name"]))
    return [_step(node, known) for node in tops]


def _step(node: Object, known: dict[str, Object]) -> Step:
    attempts = [known[key] for key in node.get("children", ())
                if key in known and known[key]["type"] == "Pod"]  # fmt: skip
    attempts = attempts if node["type"] == "Retry" else []
    last = attempts[-1] if attempts else node
    done, total = _progress(last.get("progress", ""))
    return Step(
        node.get("templateName") or re.sub(r"\(\d+\)$", "", node.get("displayName", "")),
        _partition(node), node.get("phase") or "Pending", done, total,
        max(0, len(attempts) - 1), last.get("message") or node.get("message") or "",
    )  # fmt: skip


def _progress(text: str) -> tuple[int, int]:
    """`N/M`; whatever else a pod may have written counts as nothing done."""
    match = re.fullmatch(r"(\d{1,18})/(\d{1,18})", text)
    return (int(match[1]), int(match[2])) if match else (0, 1)


def _partition(node: Object) -> int | None:
    given = {
        one["name"]: one.get("value") for one in (node.get("inputs") or {}).get("parameters", ())
    }
    if str(given.get("partition", "")).isdigit():
        return int(str(given["partition"]))
    match = _ITEM.search(node["name"])
    return int(match[1]) if match else None


def parameters(workflow: Object) -> dict[str, str]:
    """The parameters that are in force: the template's, overlaid by the workflow's own."""
    stored = (workflow.get("status") or {}).get("storedWorkflowTemplateSpec") or {}
    return {
        one["name"]: str(one.get("value", ""))
        for spec in (stored, workflow["spec"])
        for one in (spec.get("arguments") or {}).get("parameters") or ()
    }


def run_of(workflow: Object) -> str:
    """The run that a workflow works on, also if another program submitted it. "" if it is none of
    ours."""
    label: str = (workflow["metadata"].get("labels") or {}).get(RUN, "")
    template: str = (workflow["spec"].get("workflowTemplateRef") or {}).get("name", "")
    return label or (parameters(workflow).get("run-id", "") if "palimpsest" in template else "")


def phase(workflow: Object) -> str:
    return (workflow.get("status") or {}).get("phase") or "Pending"


def live(workflow: Object) -> bool:
    return phase(workflow) not in ENDED


def seconds(workflow: Object, now: datetime) -> float:
    """Since it began, or from its beginning to its end."""
    status: dict[str, Any] = workflow.get("status") or {}
    if not status.get("startedAt"):
        return 0.0
    end = datetime.fromisoformat(status["finishedAt"]) if status.get("finishedAt") else now
    return max(0.0, (end - datetime.fromisoformat(status["startedAt"])).total_seconds())
