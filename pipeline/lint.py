"""`palimpsest lint`: faults of workflows and manifests, found without a cluster and without Argo.

Four layers: YAML (`lint_read`); shape (`lint_shape`, `lint_values`); meaning (`lint_meaning`, which
calls `lint_template`, `lint_graph`, `lint_refs` and `lint_tags`); and, of the project's own, the
pods that come of it (`lint_pods`, `lint_security`, `lint_house`) and what watches them
(`lint_monitoring`). One line a fault: where it is, what it is, the way out.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import lint_meaning, lint_monitoring, lint_pods, lint_shape, strict
from pipeline.code import ROOT
from pipeline.errors import OK, PERMANENT, InputError
from pipeline.lint_read import documents
from pipeline.lint_refs import Library
from pipeline.lint_tree import ARGO, Doc, Fault, mapping, ours, text

#: What is looked at when nothing is named: all that `palimpsest render` writes for a cluster.
OWN = ("charts/palimpsest/files/workflows", "manifests")
STDIN = Path("-")
SUFFIXES = (".yaml", ".yml")


@dataclass
class Found:
    """What one call has seen."""

    files: int = 0
    objects: int = 0
    pods: int = 0
    monitors: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def main_lint(paths: list[Path]) -> int:
    """Check files and folders ("-": standard input), by default the project's own; print each
    fault on a line, then a summary. 78 if there is a fault."""
    found = Found()
    faults = list(lint(paths or [ROOT / name for name in OWN if (ROOT / name).exists()], found))
    for path, fault in faults:
        print(": ".join(filter(None, (_shown(path), fault.where, fault.text))))
    for note in found.notes:
        print(f"lint: {note}")
    said = _count(len(faults), "fault") if faults else "no fault"
    print(f"lint: {said} in {_count(found.files, 'file')}: {_count(found.objects, 'object')}, and "
          f"{_count(found.pods, 'pod')} that come of them")  # fmt: skip
    return PERMANENT if faults else OK


def lint(paths: list[Path], found: Found) -> Iterator[tuple[Path, Fault]]:
    """Every fault, with its file. Raises an InputError for a path that is not there."""
    read: list[tuple[Path, list[Doc | Fault]]] = []
    library = Library()
    for path in [one for given in paths for one in files(given)]:
        every = list(documents(sys.stdin.read() if path == STDIN else strict.text(path)))
        read.append((path, every))
        for doc in every:
            if isinstance(doc, dict) and doc.get("kind") in ARGO:
                library.add(doc)
    found.files = len(read)
    for path, every in read:
        several = sum(isinstance(one, dict) for one in every) > 1
        for one in every:
            faults = [one] if isinstance(one, Fault) else list(_document(one, library, found))
            name = _name(one) if several and isinstance(one, dict) else ""
            for where, said in dict.fromkeys(faults):
                yield path, Fault("/".join(filter(None, (name, where))), said)
    _notes(library, found)


def files(path: Path) -> list[Path]:
    """The YAML files that a path stands for."""
    if path == STDIN or path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path} is neither a file nor a folder: give workflows or manifests")
    every = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file())
    if not every:
        raise InputError(f"{path} holds no .yaml file: give workflows or manifests")
    return every


def _document(doc: Doc, library: Library, found: Found) -> Iterator[Fault]:
    kind = doc.get("kind")
    if not isinstance(kind, str) or not isinstance(doc.get("apiVersion"), str):
        yield Fault("", "it has no kind or no apiVersion: give Kubernetes objects")
        return
    if kind not in ARGO or not doc["apiVersion"].startswith("argoproj.io/"):
        yield from _other(doc, found)
        return
    found.objects += 1
    wrong = [*lint_shape.metadata(doc), *lint_shape.shape(doc), *lint_meaning.meaning(doc, library)]
    yield from wrong
    if ours(doc) and mapping(doc, "spec").get("templates"):
        if wrong:
            found.notes.append(f"{_name(doc)}: its pods are looked at when the rest is in order")
            return
        pods, faults = lint_pods.of_workflow(doc)
        found.pods += pods
        yield from faults


def _other(doc: Doc, found: Found) -> Iterator[Fault]:
    """An object of Kubernetes or of the Prometheus operator, or one that nobody here knows."""
    if lint_monitoring.knows(doc):
        found.objects += 1
        found.monitors += 1
        yield from lint_monitoring.of_object(doc)
        return
    if not lint_pods.schemas() or not lint_pods.known(doc):
        found.unread[f"{doc['kind']} ({doc['apiVersion']})"] += 1
        if not lint_pods.schemas() and ours(doc):
            yield from lint_pods.pod_of(doc)
        return
    found.objects += 1
    found.pods += doc["kind"] in lint_pods.PODS
    yield from lint_pods.of_object(doc)
    if ours(doc) and doc["kind"] == "ConfigMap":
        yield from lint_monitoring.dashboards(doc)


def _notes(library: Library, found: Found) -> None:
    for name, count in sorted(found.unread.items()):
        found.notes.append(f"not looked at, for want of a schema: {count} {name}")
    if library.elsewhere:
        found.notes.append(f"{library.elsewhere} references lead to templates in none of these "
                           "files: give those files, too, to have them checked")  # fmt: skip
    if not lint_shape.models():
        found.notes.append("names and types of fields were not checked: install hera")
    if not lint_pods.schemas():
        found.notes.append("pods were not held against the API: install kubernetes-validate")
    if found.monitors and not lint_monitoring.models():
        found.notes.append("fields of monitors and rules were not checked: install "
                           "cloudcoil-models-prometheus-operator")  # fmt: skip


def _name(doc: Doc) -> str:
    meta = mapping(doc, "metadata")
    return text(meta, "name") or text(meta, "generateName") or str(doc.get("kind", ""))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shown(path: Path) -> str:
    """The path as a user would write it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
