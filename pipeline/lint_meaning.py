"""Whether a workflow means something: one type a template, names that exist, arguments that fit.

What lies in other files is looked up among the documents of one call; of what is in none of them
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import lint_graph, lint_tags, lint_template
from pipeline.lint_refs import OWN, Library, fits, missing, resolve, some
from pipeline.lint_shape import unique
from pipeline.lint_tree import TEMPLATES, Doc, Fault, listing, mapping, tasks, text, workflow_spec


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
            template, faults = resolve({"template": name}, spec, library)
            yield from (Fault("", f"spec.{key}: {said}") for said in faults)
            if template and doc["kind"] not in TEMPLATES:
                yield from missing("", f"spec.{key}", given, template)
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
    begun = resolve({"template": text(spec, "entrypoint") or text(made, "entrypoint")}, both,
                     library)[0]  # fmt: skip
    for key in ("entrypoint", "onExit"):
        if name := text(spec, key) or text(made, key):
            faults = resolve({"template": name}, both, library)[1]
            yield from (Fault("", f"spec.{key}: {said}") for said in faults)
        elif key == "entrypoint":
            yield Fault("", f"neither this nor {text(ref, 'name')} has an entrypoint: name one")
    known = {text(one, "name"): one for one in listing(made, "arguments", "parameters")}
    given = {text(one, "name") for one in listing(spec, "arguments", "parameters")}
    taken = {text(one, "name") for one in listing(begun or {}, "inputs", "parameters")}
    for name in sorted(given - set(known) - taken):
        yield Fault("", f"spec.arguments: {name!r} is no parameter of {text(ref, 'name')}: known "
                    f"are {some(known)}")  # fmt: skip
    for name in [name for name, one in known.items() if not OWN & set(one) and name not in given]:
        yield Fault("", f"spec.arguments: {text(ref, 'name')} needs {name!r}: give it")


def _template(where: str, template: Doc, spec: Doc, library: Library) -> Iterator[Fault]:
    yield from lint_template.template(where, template, spec)
    yield from lint_graph.graph(where, template)
    for task in tasks(template):
        yield from _task(f"{where}/{text(task, 'name')}", task, spec, library)


def _task(where: str, task: Doc, spec: Doc, library: Library) -> Iterator[Fault]:
    template, faults = resolve(task, spec, library)
    yield from (Fault(where, said) for said in faults)
    if "inline" in task:
        yield from _template(where, mapping(task, "inline"), spec, library)
    arguments = mapping(task, "arguments")
    yield from _given(where, arguments)
    if template is not None:
        yield from fits(where, arguments, template)
    yield from _hooks(where, mapping(task, "hooks"), spec, library)
    if name := text(task, "onExit"):
        said = resolve({"template": name}, spec, library)[1]
        yield from (Fault(where, f"onExit: {one}") for one in said)


def _hooks(where: str, hooks: Doc, spec: Doc, library: Library) -> Iterator[Fault]:
    for name, hook in hooks.items():
        template, faults = resolve(mapping(hook), spec, library)
        yield from (Fault(where, f"hooks.{name}: {said}") for said in faults)
        if name != "exit" and not mapping(hook).get("expression"):
            yield Fault(where, f"hooks.{name}: it has no expression: say when it runs")
        if template is not None:
            yield from fits(where, mapping(hook, "arguments"), template)


def _given(where: str, arguments: Doc) -> Iterator[Fault]:
    for kind in ("parameters", "artifacts"):
        yield from unique(where, f"arguments.{kind}", arguments.get(kind))
    for one in listing(arguments, "parameters"):
        if "value" not in one and "valueFrom" not in one:
            yield Fault(where, f"arguments: {text(one, 'name')!r} has no value: give one")
