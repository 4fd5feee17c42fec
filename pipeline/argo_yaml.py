"""YAML as people read it: keys in their written order, no anchors, long texts as blocks, and what
is short on one line: a workflow of a hundred pods is mostly that.

The same document gives the same bytes, whenever and wherever it is written.
"""

from __future__ import annotations

from typing import Any

import yaml

WIDTH = 100_000
#: Characters of a mapping or a list that still stands on one line.
SHORT = 160


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _is_short(node.value)
        return node

    def represent_mapping(
        self, tag: str, mapping: Any, flow_style: bool | None = None
    ) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _is_short([one for pair in node.value for one in pair])
        return node


def _is_short(nodes: list[yaml.Node]) -> bool:
    """Whether these would fit; where one among them did not, they do not either."""
    return all(map(_on_one_line, nodes)) and sum(map(_length, nodes)) <= SHORT


def _on_one_line(node: yaml.Node) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return node.style != "|"
    return bool(getattr(node, "flow_style", False))


def _length(node: yaml.Node) -> int:
    """Of a node and what separates it from the next."""
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) + 2
    pairs = node.value if isinstance(node, yaml.MappingNode) else [node.value]
    return 4 + sum(_length(one) for pair in pairs for one in pair)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(*documents: Any) -> str:
    """One text of one or several documents."""
    many = len(documents) > 1
    return yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True,
        explicit_start=many,
    )  # fmt: skip
