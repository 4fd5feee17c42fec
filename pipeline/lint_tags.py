"""Whether what stands in `{{...}}` is defined where it stands.

Two kinds of tag: `{{name}}`, and `{{=expression}}`, of which only the names are looked at, as in
the fields that are expressions without braces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.lint_graph import WITH, ancestors, needs
from pipeline.lint_scope import TAG, Nodes, Scope, Spec, expressed, undefined
from pipeline.lint_tree import Doc, Fault, listing, mapping, steps, strings, tasks, text, walk


def tags(doc: Doc, spec: Doc, spec_of: Spec) -> Iterator[Fault]:
    """A fault for each tag of a document that nobody defines."""
    scope = Scope(doc, spec, spec_of)
    rest = {key: value for key, value in spec.items() if key not in ("templates", "metrics")}
    yield from _all("", rest, scope.copy(item=True, pod=True))
    for template in listing(spec, "templates"):
        yield from _template(text(template, "name"), template, scope)


def _template(where: str, template: Doc, outer: Scope) -> Iterator[Fault]:
    scope = outer.within(template)
    within = {key: value for key, value in template.items() if key not in ("dag", "steps")}
    within["target"] = mapping(template, "dag").get("target")
    every = tasks(template)
    nodes: Nodes = {text(one, "name"): scope.run_by(one) for one in every}
    yield from _all(where, within, scope.copy(nodes=nodes) if every else scope)
    edges = {text(one, "name"): needs(one) for one in listing(template, "dag", "tasks")}
    before: set[str] = set()
    for task in listing(template, "dag", "tasks"):
        name = text(task, "name")
        ended = {one: nodes[one] for one in ancestors(name, edges) if one in nodes}
        yield from _task(f"{where}/{name}", task, scope.copy(nodes=ended), nodes)
    for group in steps(template):
        ended = {one: nodes[one] for one in before}
        for step in group:
            yield from _task(f"{where}/{text(step, 'name')}", step, scope.copy(nodes=ended), nodes)
        before |= {text(one, "name") for one in group}


def _task(where: str, task: Doc, scope: Scope, nodes: Nodes) -> Iterator[Fault]:
    name = text(task, "name")
    scope = scope.copy(item=scope.item or any(way in task for way in WITH))
    late = {"hooks", "onExit"}  # when the task itself has begun, or ended
    early = {key: value for key, value in task.items() if key not in {"inline", *late}}
    yield from _all(where, early, scope)
    after = scope.copy(nodes=scope.nodes | {name: nodes.get(name)})
    yield from _all(where, {key: task[key] for key in late if key in task}, after)
    if "inline" in task:
        yield from _template(where, mapping(task, "inline"), scope)


def _all(where: str, node: Any, scope: Scope) -> Iterator[Fault]:
    said = {fault for one in strings(node) for tag in TAG.findall(one) for fault in
            undefined(tag.strip(), scope)}  # fmt: skip
    for path, value in walk(node):
        if path and path[-1] in ("expression", "fromExpression") and isinstance(value, str):
            said |= set(expressed(value, scope))
    yield from (Fault(where, one) for one in sorted(said))
