"""YAML as people read it: keys in their written order, no anchors, long texts as blocks.

The same document gives the same bytes, whenever and wherever it is written.
"""

from __future__ import annotations

from typing import Any

import yaml

WIDTH = 100_000


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


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
