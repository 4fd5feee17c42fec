"""A rendered WorkflowTemplate as a mermaid flowchart, for the docs.

Steps that are alike (one component, the same steps before them) are one box; a DAG within the DAG
is a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from pipeline.argo_pod import Doc

LOOP = "once for each partition"


@dataclass
class Box:
    """Tasks of one DAG that are alike. `above` are the keys of the boxes they wait for."""

    names: list[str]
    template: str
    above: frozenset[str]
    loop: bool

    @property
    def title(self) -> str:
        if len(self.names) == 1:
            return self.names[0]
        same = takewhile(lambda letters: len(set(letters)) == 1, zip(*self.names, strict=False))
        return f"{''.join(letters[0] for letters in same)}* × {len(self.names)}"


def as_mermaid(workflow: Doc) -> str:
    """The entrypoint's flowchart, and what runs at its end."""
    spec = workflow["spec"]
    known = {one["name"]: one for one in spec["templates"]}
    last = list(_grouped(known, spec["entrypoint"], "n"))[-1]
    return "\n".join([
        "flowchart TD",
        *_boxes(known, spec["entrypoint"], "n", "    "),
        f'    exit["{spec["onExit"]}"]',
        f"    {last} -. however it ends .-> exit",
    ])  # fmt: skip


def _boxes(known: dict[str, Doc], name: str, path: str, indent: str) -> Iterator[str]:
    boxes = _grouped(known, name, path)
    for key, box in boxes.items():
        if "dag" not in known[box.template]:
            yield f'{indent}{key}["{box.title}"]'
            continue
        often = f": {LOOP}" if box.loop else ""
        yield f'{indent}subgraph {key}["{box.title}{often}"]'
        yield from _boxes(known, box.template, key, indent + "    ")
        yield f"{indent}end"
    above = {key: _ancestors(key, boxes) for key in boxes}
    for key, box in boxes.items():
        for before in sorted(box.above, key=list(boxes).index):
            if not any(before in above[other] for other in box.above if other != before):
                yield f"{indent}{before} --> {key}"


def _grouped(known: dict[str, Doc], name: str, path: str) -> dict[str, Box]:
    """The boxes of a DAG, each after those it waits for, as its tasks stand."""
    boxes: dict[str, Box] = {}
    of: dict[str, str] = {}
    alike: dict[tuple[str, frozenset[str]], str] = {}
    for task in known[name]["dag"]["tasks"]:
        needs = [one for one in task.get("depends", "").split(" && ") if one]
        above = frozenset(of[one] for one in needs)
        labels = known[task["template"]].get("metadata", {}).get("labels", {})
        kind = labels.get("app.kubernetes.io/component", task["name"])
        key = alike.setdefault((kind, above), f"{path}{len(alike)}x")
        of[task["name"]] = key
        boxes.setdefault(key, Box([], task["template"], above, "withSequence" in task))
        boxes[key].names.append(task["name"])
    return boxes


def _ancestors(key: str, boxes: dict[str, Box]) -> set[str]:
    found: set[str] = set()
    todo = list(boxes[key].above)
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo.extend(boxes[one].above)
    return found
