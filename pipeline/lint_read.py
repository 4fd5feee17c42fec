"""YAML read strictly: each document of a text, or the sentence that says why it is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml

from pipeline.lint_tree import Doc, Fault, listing


def documents(text: str) -> Iterator[Doc | Fault]:
    """Each object of a YAML text, those of a List singly, or why it is none; nothing after a
    syntax error."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            yield from (Fault("", said) for said in _doubled(node))
            found = loader.construct_document(node)
            if isinstance(found, dict) and found.get("kind") == "List":
                yield from listing(found, "items")
            elif isinstance(found, dict):
                yield found
            elif found is not None and not _patch(found):
                yield Fault("", f"expected keys and values, found {type(found).__name__}: give "
                            "Kubernetes objects")  # fmt: skip
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-45
        yield Fault("", f"not valid YAML: {' '.join(str(error).split())}")
    except RecursionError:
        yield Fault("", "nested too deeply: write it flat")
    finally:
        loader.dispose()


def _doubled(root: Any) -> Iterator[str]:
    """The keys that stand twice in one mapping: all but the last would be lost."""
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        elif isinstance(node, yaml.MappingNode):
            todo += [value for _, value in node.value]
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            for key in [key for key, times in keys.items() if times > 1 and key != "<<"]:
                yield (f"key {key!r} stands twice in the mapping at line "
                       f"{node.start_mark.line + 1}: keep one")  # fmt: skip


def _patch(found: Any) -> bool:
    """Whether it is a JSON patch, of which kustomizations are made."""
    return isinstance(found, list) and all(isinstance(one, dict) and "op" in one for one in found)
