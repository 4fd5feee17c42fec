"""Whether a workflow means something: one type a template, names that exist, arguments that fit.

What lies in other files is looked up among the documents of one call; of what is in none of them
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline import lint_graph, lint_tags, lint_template
from pipeline.lint_shape import unique
from pipeline.lint_tree import (
    TEMPLATES,
    Doc,
    Fault,
    listing,
    mapping,
    tagged,
    tasks,
    text,
    workflow_spec,
)

#: What an input needs nobody to give.
OWN = {"value", "default", "valueFrom"}
#: Keys of an artifact that say nothing about where it comes from.
SILENT = {"name", "path", "mode", "recurseMode", "archive", "description", "subPath", "from",
          "fromExpression", "globalName", "artifactGC", "deleted", "archiveLogs"}  # fmt: skip
Key = tuple[str, str]


@dataclass
class Library:
    """The workflow templates of one call, by (kind, name); how many references led elsewhere."""

    known: dict[Key, Doc] = field(default_factory=dict)
    elsewhere: int = 0

    def add(self, doc: Doc) -> None:
        if doc["kind"] in TEMPLATES:
            self.known[doc["kind"], text(doc, "metadata", "name")] = doc

    def spec(self, ref: Doc) -> Doc | None:
        """The spec that a reference names; None if it is in no file of this call."""
        kind = TEMPLATES[1 if ref.get("clusterScope") is True else 0]
        found = self.known.get((kind, text(ref, "name")))
        self.elsewhere += found is None
        return mapping(found, "spec") if found else None


def meaning(doc: Doc, library: Library) -> Iterator[Fault]:
    """Everything wrong with what a document of good shape says."""
    spec = workflow_spec(doc)
    if mapping(spec, "workflowTemplateRef"):
        yield from _of_template(spec, library)
        return
    yield from unique("", "spec.templates", spec.get("templates"))
    yield from unique("", "spec.arguments.parameters", mapping(spec, "arguments").get("parameters"))
    yield from _starts(doc, spec, library)
    for template in listing(spec, "templates"):
        yield from _template(text(template, "name"), template, spec, library)
    yield from lint_tags.tags(doc, spec, library.spec)


def _starts(doc: Doc, spec: Doc, library: Library) -> Iterator[Fault]:
    """The templates with which a workflow begins and ends."""
    given = mapping(spec, "arguments")
    if not spec.get("entrypoint") and doc["kind"] not in TEMPLATES:
        yield Fault("", "spec.entrypoint is missing: name the template to begin with")
    for key in ("entrypoint", "onExit"):
        if name := text(spec, key):
            template, faults = _resolve({"template": name}, spec, library)
            yield from (Fault("", f"spec.{key}: {said}") for said in faults)
            if template and doc["kind"] not in TEMPLATES:
                yield from _missing("", f"spec.{key}", given, template)
    yield from _hooks("", mapping(spec, "hooks"), spec, library)


def _of_template(spec: Doc, library: Library) -> Iterator[Fault]:
    """A workflow that a WorkflowTemplate of another document makes."""
    if spec.get("templates"):
        yield Fault("", "spec.templates cannot stand beside workflowTemplateRef: remove one")
    ref = mapping(spec, "workflowTemplateRef")
    made = library.spec(ref)
    if made is None:
        return
    both = {"templates": made.get("templates")}
    begun = _resolve({"template": text(spec, "entrypoint") or text(made, "entrypoint")}, both,
                     library)[0]  # fmt: skip
    for key in ("entrypoint", "onExit"):
        if name := text(spec, key) or text(made, key):
            faults = _resolve({"template": name}, both, library)[1]
            yield from (Fault("", f"spec.{key}: {said}") for said in faults)
        elif key == "entrypoint":
            yield Fault("", f"neither this nor {text(ref, 'name')} has an entrypoint: name one")
    known = {text(one, "name"): one for one in listing(made, "arguments", "parameters")}
    given = {text(one, "name") for one in listing(spec, "arguments", "parameters")}
    taken = {text(one, "name") for one in listing(begun or {}, "inputs", "parameters")}
    for name in sorted(given - set(known) - taken):
        yield Fault("", f"spec.arguments: {name!r} is no parameter of {text(ref, 'name')}: known "
                    f"are {_list(known)}")  # fmt: skip
    for name in [name for name, one in known.items() if not OWN & set(one) and name not in given]:
        yield Fault("", f"spec.arguments: {text(ref, 'name')} needs {name!r}: give it")


def _template(where: str, template: Doc, spec: Doc, library: Library) -> Iterator[Fault]:
    yield from lint_template.template(where, template, spec)
    yield from lint_graph.graph(where, template)
    for task in tasks(template):
        yield from _task(f"{where}/{text(task, 'name')}", task, spec, library)


def _task(where: str, task: Doc, spec: Doc, library: Library) -> Iterator[Fault]:
    template, faults = _resolve(task, spec, library)
    yield from (Fault(where, said) for said in faults)
    if "inline" in task:
        yield from _template(where, mapping(task, "inline"), spec, library)
    arguments = mapping(task, "arguments")
    yield from _given(where, arguments)
    if template is not None:
        yield from _fits(where, arguments, template)
    yield from _hooks(where, mapping(task, "hooks"), spec, library)
    if name := text(task, "onExit"):
        said = _resolve({"template": name}, spec, library)[1]
        yield from (Fault(where, f"onExit: {one}") for one in said)


def _resolve(task: Doc, spec: Doc, library: Library) -> tuple[Doc | None, list[str]]:
    """The template that a task, a step or a hook runs, where it can be known; what is wrong."""
    ways = [key for key in ("template", "templateRef", "inline") if task.get(key)]
    if len(ways) != 1:
        said = f"it has {' and '.join(ways)}" if ways else "it has none"
        return None, [f"one of template, templateRef and inline says what to run, {said}"]
    if ways == ["inline"]:
        return mapping(task, "inline"), []
    name, known = text(task, "template"), spec
    if ways == ["templateRef"]:
        ref = mapping(task, "templateRef")
        name = text(ref, "template")
        if not text(ref, "name") or not name:
            return None, ["templateRef needs both a name and a template"]
        if tagged(text(ref, "name")) or tagged(name):
            return None, []
        other = library.spec(ref)
        if other is None:
            return None, []
        known = other
    by_name = {text(one, "name"): one for one in listing(known, "templates")}
    if tagged(name) or name in by_name:
        return by_name.get(name), []
    owner = f" in {text(task, 'templateRef', 'name')}" if ways == ["templateRef"] else ""
    return None, [f"there is no template {name!r}{owner}: known are {_list(by_name)}"]


def _hooks(where: str, hooks: Doc, spec: Doc, library: Library) -> Iterator[Fault]:
    for name, hook in hooks.items():
        template, faults = _resolve(mapping(hook), spec, library)
        yield from (Fault(where, f"hooks.{name}: {said}") for said in faults)
        if name != "exit" and not mapping(hook).get("expression"):
            yield Fault(where, f"hooks.{name}: it has no expression: say when it runs")
        if template is not None:
            yield from _fits(where, mapping(hook, "arguments"), template)


def _given(where: str, arguments: Doc) -> Iterator[Fault]:
    for kind in ("parameters", "artifacts"):
        yield from unique(where, f"arguments.{kind}", arguments.get(kind))
    for one in listing(arguments, "parameters"):
        if "value" not in one and "valueFrom" not in one:
            yield Fault(where, f"arguments: {text(one, 'name')!r} has no value: give one")


def _fits(where: str, arguments: Doc, template: Doc) -> Iterator[Fault]:
    for kind in ("parameters", "artifacts"):
        wanted = [text(one, "name") for one in listing(template, "inputs", kind)]
        for name in [text(one, "name") for one in listing(arguments, kind)]:
            if name not in wanted:
                yield Fault(where, f"arguments: {text(template, 'name') or 'the template'} has no "
                            f"input {name!r}: it has {_list(wanted)}")  # fmt: skip
    yield from _missing(where, "arguments", arguments, template)


def _missing(where: str, what: str, arguments: Doc, template: Doc) -> Iterator[Fault]:
    for kind in ("parameters", "artifacts"):
        given = {text(one, "name") for one in listing(arguments, kind)}
        for one in listing(template, "inputs", kind):
            free = OWN & set(one) if kind == "parameters" else set(one) - SILENT
            if text(one, "name") not in given and not free:
                yield Fault(where, f"{what}: {text(template, 'name') or 'the template'} needs the "
                            f"input {text(one, 'name')!r}: give it")  # fmt: skip


def _list(names: Mapping[str, object] | list[str]) -> str:
    return ", ".join(list(names)[:12]) + (" ..." if len(names) > 12 else "") or "none"
