"""Whether the tasks of a DAG or of steps can run in some order: names, `depends`, loops, cycles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from pipeline.lint_shape import unique
from pipeline.lint_tree import Doc, Fault, listing, mapping, steps, tagged, tasks, text

NAME = r"[a-zA-Z0-9][-a-zA-Z0-9]*"
TOKEN = re.compile(rf"\s*({NAME}(?:\.[A-Za-z]+)?|&&|\|\||!|\(|\))")
#: What may stand after a task's name in `depends`; those of LOOPS only where the task is a loop.
LOOPS = ("AnySucceeded", "AllFailed")
RESULTS = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned", *LOOPS)
WITH = ("withItems", "withParam", "withSequence")


def graph(where: str, template: Doc) -> Iterator[Fault]:
    """Faults in how the tasks of a template follow one another."""
    if "containerSet" in template:
        yield from _containers(where, template)
    every = tasks(template)
    for task in every:
        yield from loop(f"{where}/{text(task, 'name')}", task)
    if "steps" in template:
        if not every:
            yield Fault(where, "steps is empty: give at least one step")
        yield from unique(where, "steps", [one for group in steps(template) for one in group])
    if "dag" not in template:
        return
    yield from unique(where, "dag.tasks", every)
    if not every:
        yield Fault(where, "dag.tasks is empty: give at least one task")
    ways = [way for way in ("depends", "dependencies") if any(task.get(way) for task in every)]
    if len(ways) > 1:
        yield Fault(where, "depends and dependencies cannot both be used in one dag: write depends")
    by_name = {text(task, "name"): task for task in every}
    for name, task in by_name.items():
        yield from _task(f"{where}/{name}", task, by_name, ways)
    for target in text(template, "dag", "target").split():
        if target not in by_name and not tagged(target):
            yield Fault(where, f"dag.target: there is no task {target!r}")
    yield from _cycle(where, {name: needs(task) for name, task in by_name.items()})


def _task(where: str, task: Doc, by_name: dict[str, Doc], ways: list[str]) -> Iterator[Fault]:
    if ways and text(task, "name")[:1].isdigit():
        yield Fault(where, "a task that others depend on cannot begin with a digit: rename it")
    if "depends" in ways and "continueOn" in task:
        yield Fault(where, "continueOn has no effect beside depends: write task.Failed or "
                    "task.Errored there")  # fmt: skip
    depends = text(task, "depends")
    if depends and not reads(depends):
        yield Fault(where, f"depends {depends!r} cannot be read: join names with &&, || and !")
    for name in [name for name in needs(task) if name not in by_name]:
        yield Fault(where, f"it depends on {name!r}, which is no task of this dag")
    for name, result in re.findall(rf"({NAME})\.([A-Za-z]+)", depends):
        if result not in RESULTS:
            yield Fault(where, f"depends: {result!r} is no result: choose one of "
                        f"{', '.join(RESULTS)}")  # fmt: skip
        elif result in LOOPS and name in by_name and not set(WITH) & set(by_name[name]):
            yield Fault(where, f"depends: {name}.{result} is said of a loop, and {name} is none")


def needs(task: Doc) -> list[str]:
    """The names in `depends` or `dependencies`."""
    found = [one.split(".")[0] for one in TOKEN.findall(text(task, "depends")) if one[0].isalnum()]
    other = task.get("dependencies")
    found += [one for one in other if isinstance(one, str)] if isinstance(other, list) else []
    return list(dict.fromkeys(found))


def reads(depends: str) -> bool:
    """Whether it is an expression of names with &&, ||, ! and parentheses."""
    tokens, at = [], 0
    while at < len(depends.rstrip()):
        found = TOKEN.match(depends, at)
        if not found:
            return False
        tokens.append("n" if found[1][0].isalnum() else found[1][0])
        at = found.end()
    shown, before = "".join(tokens), ""
    while shown != before:  # each rule replaces a whole operand by a name
        before = shown
        shown = re.sub(r"!n|\(n\)|n[&|]n", "n", shown)
    return shown == "n"


def loop(where: str, task: Doc) -> Iterator[Fault]:
    ways = [way for way in WITH if task.get(way) is not None]
    if len(ways) > 1:
        yield Fault(where, f"it has {' and '.join(ways)}: a task loops in one way")
    sequence = mapping(task, "withSequence")
    if sequence and ("count" in sequence) == ("end" in sequence):
        yield Fault(where, "withSequence: give either count or end")


def _containers(where: str, template: Doc) -> Iterator[Fault]:
    found = listing(template, "containerSet", "containers")
    yield from unique(where, "containerSet.containers", found)
    edges = {text(one, "name"): needs(one) for one in found}
    for name, others in edges.items():
        for other in [other for other in others if other not in edges]:
            yield Fault(where, f"container {name!r} depends on {other!r}, which is not in this set")
    yield from _cycle(where, edges)


def _cycle(where: str, edges: dict[str, list[str]]) -> Iterator[Fault]:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        yield Fault(where, f"tasks wait for each other in a circle: {' -> '.join(error.args[1])}")


def ancestors(name: str, edges: dict[str, list[str]]) -> set[str]:
    """All that has ended before a task begins."""
    found: set[str] = set()
    todo = list(edges.get(name, ()))
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += edges.get(one, ())
    return found
