"""Whether a workflow has the shape that Argo's CRDs ask for: fields, types, enums, quantities.

A cluster drops a misspelt field without a word, so an unknown one is a fault here. The fields and
types are those of hera's models, where hera is installed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any, get_args

from pipeline import lint_values
from pipeline.lint_tree import Doc, Fault, Path, dotted, listing, mapping, place, tagged

#: Fields that came with Argo 4.1: hera does not know them.
LATER = {"executorPlugins", "podResources", "resourceClaims"}


def models() -> bool:
    """Whether fields and types can be checked here."""
    return find_spec("hera") is not None


def shape(doc: Doc) -> Iterator[Fault]:
    """Everything wrong with the fields of an Argo document."""
    gone = {path: fault for path, fault in lint_values.removed(doc)}
    yield from gone.values()
    yield from lint_values.values(doc)
    if models():
        yield from _fields(doc, set(gone))


def _fields(doc: Doc, gone: set[Path]) -> Iterator[Fault]:
    import hera.workflows.models as argo

    model = getattr(argo, doc["kind"])
    for path, value, said in misfits(model, _without_status(doc)):
        number = _number_as_quantity(path, value)
        if not (path in gone or number or LATER & set(path) or lint_values.free(path)):
            yield Fault(place(doc, path), f"{dotted(path)}: {said}")


def misfits(model: Any, doc: Doc) -> Iterator[tuple[Path, Any, str]]:
    """Where a document is not as a model has it: the path, what is there, and a sentence."""
    from pydantic import ValidationError

    try:
        model.model_validate(doc, extra="forbid", by_alias=True, by_name=False, strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            path = tuple(part for part in one["loc"] if not _inner(part))
            said = f"{one['msg'][0].lower()}{one['msg'][1:]}, found {one['input']!r:.60}"
            if one["type"] == "extra_forbidden":
                said = f"no such field; {_hint(model, path)}"
            elif one["type"] == "missing":
                said = "it is missing: give it"
            yield path, one["input"], said


def _without_status(doc: Doc) -> Doc:
    return {key: value for key, value in doc.items() if key != "status"}


def _inner(part: str | int) -> bool:
    """Names that pydantic puts into a path for the members of a union."""
    return isinstance(part, str) and bool(re.search(r"[\[\]()]|^(str|int|float|bool)$", part))


def _number_as_quantity(path: Path, value: Any) -> bool:
    """The API takes `cpu: 1` where hera wants `cpu: "1"`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (path[-1] == "sizeLimit" or path[-2:-1] in (("limits",), ("requests",)))


def _hint(model: Any, path: Path) -> str:
    known = _known(model, path[:-1])
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    every = f"valid here: {', '.join(known)}" if len(known) <= 12 else "the reference lists all"
    return f"did you mean {near[0]!r}?" if near else every


@cache
def _known(model: Any, path: Path) -> tuple[str, ...]:
    """The names of the fields at `path`."""
    for part in path:
        if isinstance(part, str):
            field = {_name(name, one): one for name, one in model.model_fields.items()}.get(part)
            model = next(_models(field.annotation), model) if field else model
    return tuple(sorted(_name(name, one) for name, one in model.model_fields.items()))


def _name(name: str, field: Any) -> str:
    return str(field.alias or name)


def _models(kind: Any) -> Iterator[Any]:
    if hasattr(kind, "model_fields"):
        yield kind
    for inner in get_args(kind):
        yield from _models(inner)


def metadata(doc: Doc) -> Iterator[Fault]:
    """A name that Kubernetes takes."""
    longest = 52 if doc["kind"] == "CronWorkflow" else 63
    meta = mapping(doc, "metadata")
    name, begins = meta.get("name"), meta.get("generateName")
    if not name and not begins:
        yield Fault("", "metadata.name is missing: give one")
    elif name and not tagged(name):
        good = re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", str(name))
        if not good or len(str(name)) > longest:
            yield Fault("", f"metadata.name: {str(name)!r} is no name: take at most {longest} of "
                        "a-z, 0-9, '-' and '.', beginning and ending with a letter or a digit"
                        )  # fmt: skip


def unique(where: str, what: str, items: Any) -> Iterator[Fault]:
    """Names in a list of named things: there, well formed, each once."""
    names = [one.get("name") for one in listing(items)]
    first = "" if what.endswith(("parameters", "artifacts")) else r"[a-zA-Z0-9]"
    pattern = first + (r"[-a-zA-Z0-9]*" if first else r"[-\w]+")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            yield Fault(where, f"{what}[{index}] has no name: give it one")
        elif name in names[:index]:
            yield Fault(where, f"{what}: the name {name!r} is there twice: rename one")
        elif not tagged(name) and (not re.fullmatch(pattern, name) or len(name) > 128):
            yield Fault(where, f"{what}: {name!r} is no name: take at most 128 letters, digits "
                        "and '-'")  # fmt: skip
