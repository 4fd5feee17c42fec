"""What a workflow will come to: its template's DAG, walked with its parameters. No I/O."""

from __future__ import annotations

import re

from pipeline.cluster.api import Object
from pipeline.cluster.nodes import parameters


def planned(workflow: Object) -> list[tuple[str, int | None]]:
    """Every stage and partition that the workflow will come to, in the order of its DAGs' tasks.
    Empty where the controller has not read the template yet."""
    spec = (workflow.get("status") or {}).get("storedWorkflowTemplateSpec") or workflow["spec"]
    templates = {one["name"]: one for one in spec.get("templates") or ()}
    entry = workflow["spec"].get("entrypoint") or spec.get("entrypoint", "")
    found: dict[tuple[str, int | None], None] = {}
    _walk(entry, None, templates, parameters(workflow), found)
    order: dict[str, int] = {}
    for name, _ in found:
        order.setdefault(name, len(order))
    return sorted(found, key=lambda one: (order[one[0]], one[1] or 0))


def _walk(
    name: str, partition: int | None, templates: dict[str, Object], given: dict[str, str],
    found: dict[tuple[str, int | None], None],
) -> None:  # fmt: skip
    template = templates.get(name, {})
    if "container" in template or "resource" in template:
        found[name, partition] = None
    for task in (template.get("dag") or {}).get("tasks", ()):
        for part in _span(task.get("withSequence"), given, partition):
            _walk(task.get("template", ""), part, templates, given, found)


def _span(sequence: Object | None, given: dict[str, str], outer: int | None) -> list[int | None]:
    """The partitions that a task's loop runs over; without a loop, the one around it."""
    if sequence is None:
        return [outer]
    number = {key: _number(str(text), given) for key, text in sequence.items() if key != "format"}
    start = number.get("start", 0)
    end = number["end"] if "end" in number else start + number.get("count", 0) - 1
    return list(range(start, end + 1))


def _number(text: str, given: dict[str, str]) -> int:
    match = re.fullmatch(r"\{\{\s*workflow\.parameters\.([\w-]+)\s*\}\}", text)
    text = given.get(match[1], "0") if match else text
    return int(text) if text.isdigit() else 0
