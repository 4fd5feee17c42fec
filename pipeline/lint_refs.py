"""What one place of a workflow says of another: templates to run, arguments to give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.lint_tree import TEMPLATES, Doc, Fault, listing, mapping, tagged, text

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


def resolve(task: Doc, spec: Doc, library: Library) -> tuple[Doc | None, list[str]]:
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
    return None, [f"there is no template {name!r}{owner}: known are {some(by_name)}"]


def fits(where: str, arguments: Doc, template: Doc) -> Iterator[Fault]:
    """Arguments that no input takes, and inputs that no argument fills."""
    for kind in ("parameters", "artifacts"):
        wanted = [text(one, "name") for one in listing(template, "inputs", kind)]
        for name in [text(one, "name") for one in listing(arguments, kind)]:
            if name not in wanted:
                yield Fault(where, f"arguments: {text(template, 'name') or 'the template'} has no "
                            f"input {name!r}: it has {some(wanted)}")  # fmt: skip
    yield from missing(where, "arguments", arguments, template)


def missing(where: str, what: str, arguments: Doc, template: Doc) -> Iterator[Fault]:
    """Inputs that need an argument and have none."""
    for kind in ("parameters", "artifacts"):
        given = {text(one, "name") for one in listing(arguments, kind)}
        for one in listing(template, "inputs", kind):
            free = OWN & set(one) if kind == "parameters" else set(one) - SILENT
            if text(one, "name") not in given and not free:
                yield Fault(where, f"{what}: {text(template, 'name') or 'the template'} needs the "
                            f"input {text(one, 'name')!r}: give it")  # fmt: skip


def some(names: Mapping[str, object] | list[str]) -> str:
    """The first of many names."""
    return ", ".join(list(names)[:12]) + (" ..." if len(names) > 12 else "") or "none"
