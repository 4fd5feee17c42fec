"""Documents as they come, looked at without trust in any type.

What a linter meets may have a list where a mapping belongs; who walks here finds nothing in it
instead of failing, and the shape is another check's matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Doc = dict[str, Any]
#: Kinds of Argo, each a spec of its own but the last, which holds a workflow's.
ARGO = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
TEMPLATES = ("WorkflowTemplate", "ClusterWorkflowTemplate")
PART_OF = "app.kubernetes.io/part-of"
Path = tuple[str | int, ...]
TYPES = ("container", "containerSet", "dag", "data", "http", "plugin", "resource", "script",
         "steps", "suspend")  # fmt: skip


class Fault(NamedTuple):
    """`where` in the document (`template/task`, "" for the whole), and one sentence."""

    where: str
    text: str


def mapping(node: Any, *path: str) -> Doc:
    """What lies at `path` below `node` if all of it is mappings, else {}."""
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def listing(node: Any, *path: str) -> list[Doc]:
    """The mappings in the list at `path` below `node`."""
    found = mapping(node, *path[:-1]).get(path[-1]) if path else node
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def text(node: Any, *path: str) -> str:
    """The string at `path` below `node`, else ""."""
    found = mapping(node, *path[:-1]).get(path[-1]) if path else node
    return found if isinstance(found, str) else ""


def walk(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value below `node` with the keys that lead to it, parents first."""
    yield path, node
    pairs = (
        node.items() if isinstance(node, dict)
        else enumerate(node) if isinstance(node, list) else ()
    )  # fmt: skip
    for key, value in pairs:
        yield from walk(value, (*path, key))


def strings(node: Any) -> Iterator[str]:
    """Every string below `node`; keys, too, for a label's may hold a tag."""
    for path, value in walk(node):
        yield from (one for one in (value, *path[-1:]) if isinstance(one, str))


def workflow_spec(doc: Doc) -> Doc:
    """The spec that holds the templates."""
    return mapping(doc, "spec", *(["workflowSpec"] if doc.get("kind") == "CronWorkflow" else []))


def steps(template: Doc) -> list[list[Doc]]:
    """The groups of a `steps` template: those of one run beside each other."""
    groups = template.get("steps")
    return [listing(group) for group in groups] if isinstance(groups, list) else []


def tasks(template: Doc) -> list[Doc]:
    """Tasks of a DAG or steps, in their order."""
    of_steps = (one for group in steps(template) for one in group)
    return [*listing(template, "dag", "tasks"), *of_steps]


def ours(doc: Doc) -> bool:
    return mapping(doc, "metadata", "labels").get(PART_OF) == "palimpsest"


def tagged(value: Any) -> bool:
    """Whether Argo fills in some of it, so that nobody knows the value yet."""
    return isinstance(value, str) and "{{" in value


def dotted(path: Path) -> str:
    """`spec.podGC.strategy`; below a template or a task, whose names say where, from there on."""
    keys = path[max(_named(path), default=-1) + 1 :]
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def place(doc: Doc, path: Path) -> str:
    """The `template/task` that a path leads through."""
    nodes = [find(doc, path[: index + 1]) for index in _named(path)]
    return "/".join(str(node["name"]) for node in nodes if mapping(node).get("name"))


def _named(path: Path) -> Iterator[int]:
    """Where in a path the indices of templates, tasks and steps stand."""
    holder: str | int = ""
    for index, part in enumerate(path):
        if isinstance(part, str):
            holder = part
        elif holder in ("templates", "tasks", "steps"):
            yield index


def find(node: Any, path: Path) -> Any:
    for part in path:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return None
    return node
