"""The chart's values.schema.json and README tables: `python -m pipeline.schema`.

From the types in `pipeline.values`, the project's own `Config` and the comments of values.yaml.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pipeline.code import ROOT
from pipeline.config import Config
from pipeline.errors import ConfigError, guard
from pipeline.values import Values

CHART = ROOT / "charts" / "palimpsest"
#: Keys of a config that a site cannot set: those that shape the DAG, for which a profile is
#: rendered anew, and those that the pods are told otherwise or never read.
KEPT = {
    "Config": {
        "profile",
        "photos",
        "families",
        "turns",
        "vlm",
        "segmenter",
        "imported",
        "reals",
        "protocols",
        "holdouts",
        "replays",
    },
    "Editing": {"weights", "folder", "device"},
    "Detector": {"tasks", "processes", "device", "pretrained", "recipe", "encoder"},
    "Local": {"partitions", "workers", "retries"},
}
#: Helm reads numbers as floats; larger ones would not survive it.
EXACT = 2**53 - 1
BLOCK = re.compile(r"(<!-- values -->\n).*?(<!-- /values -->)", re.S)
Schema = dict[str, Any]


class Entry(NamedTuple):
    """One key of values.yaml: its path, the comment above it, its default and whether keys follow
    below it."""

    path: tuple[str, ...]
    comment: str
    default: Any
    section: bool


def rendered(chart: Path = CHART) -> dict[Path, str]:
    """The two generated files of the chart, by path."""
    values = (chart / "values.yaml").read_text()
    readme = chart / "README.md"
    return {
        chart / "values.schema.json": json.dumps(values_schema(values), indent=2) + "\n",
        readme: chart_readme(values, readme.read_text()),
    }


def values_schema(values: str) -> Schema:
    """What Helm checks values against; `values` is the text of values.yaml, whose comments become
    descriptions. Draft 7 with references by pointer: every Helm 3 and 4 reads it."""
    schema = _schema(Values)
    overrides = _overrides()
    if both := sorted(schema["definitions"].keys() & overrides["definitions"].keys()):
        raise ConfigError(f"pipeline.values: {both[0]} is a section of a config, too: rename it")
    schema["definitions"] |= overrides.pop("definitions")
    schema["definitions"]["Config"] = overrides
    schema["properties"]["config"] = {
        "type": "object",
        "additionalProperties": {"$ref": "#/definitions/Config"},
    }
    for entry in entries(values):
        _describe(schema, entry)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def chart_readme(values: str, readme: str) -> str:
    """`readme` with the tables of the keys in `values` between its markers."""
    if not BLOCK.search(readme):
        raise ConfigError("charts/palimpsest/README.md: no <!-- values --> markers")
    return BLOCK.sub(lambda match: match[1] + "\n".join(_tables(values)) + match[2], readme)


def entries(values: str) -> list[Entry]:
    """Every key of values.yaml in its order. Raises `ConfigError` for one without a comment."""
    lines = values.splitlines()
    root = yaml.compose(values, yaml.SafeLoader)
    found = list(_walk(root, (), lines)) if root else []
    bare = [".".join(entry.path) for entry in found if not entry.comment]
    if bare:
        raise ConfigError(f"values.yaml: {bare[0]} has no comment: say above it what it means")
    return found


def _walk(node: yaml.Node, path: tuple[str, ...], lines: list[str]) -> Iterator[Entry]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        first = last = key.start_mark.line
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        comment = " ".join(line.lstrip(" #") for line in lines[first:last])
        section = isinstance(value, yaml.MappingNode) and bool(value.value)
        default = yaml.safe_load(yaml.serialize(value))
        yield Entry((*path, key.value), comment, default, section)
        yield from _walk(value, (*path, key.value), lines)


def _tables(values: str) -> Iterator[str]:
    head = ("", "| key | default | meaning |", "|---|---|---|")
    known = entries(values)
    single = [entry for entry in known if len(entry.path) == 1 and not entry.section]
    yield from (*head, *map(_row, single))
    for top in (entry for entry in known if len(entry.path) == 1 and entry.section):
        yield from ("", f"### {top.path[0]}", "", top.comment, *head)
        yield from (_row(entry) for entry in known
                    if entry.path[0] == top.path[0] and entry is not top)  # fmt: skip
    yield ""


def _row(entry: Entry) -> str:
    default = "" if entry.section else f"`{json.dumps(entry.default)}`"
    return f"| `{'.'.join(entry.path)}` | {default} | {entry.comment.replace('|', '&#124;')} |"


def _schema(model: type[Values] | type[Config]) -> Schema:
    schema = model.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    _strip(schema)
    return schema


def _overrides() -> Schema:
    """The schema of a config of which every key may be left out."""
    schema = _schema(Config)
    schema["properties"]["seed"] = {"type": "integer", "minimum": 0, "maximum": EXACT}
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}  # zero is another DAG
    schema["definitions"]["Bases"]["properties"]["ai_share"] = share
    for name, section in {"Config": schema, **schema["definitions"]}.items():
        section.pop("required", None)
        for key in KEPT.get(name, ()):
            del section["properties"][key]
    return schema


def _strip(node: Any) -> None:
    """Without what only repeats: titles, docstrings of types, defaults (values.yaml has them).
    A choice between something and null becomes one type, of which Helm speaks in one line."""
    if isinstance(node, list):
        for child in node:
            _strip(child)
    if isinstance(node, dict):
        for key in ("title", "description", "default"):
            if not _is_property(node.get(key)):
                node.pop(key, None)
        match node.get("anyOf"):
            case [{"type": str(kind), **rest}, {"type": "null"}]:
                del node["anyOf"]
                node |= {"type": [kind, "null"], **rest}
        for child in node.values():
            _strip(child)


def _is_property(value: Any) -> bool:
    """Whether this is the schema of a property that bears the name of a keyword."""
    return isinstance(value, dict) and bool({"type", "$ref", "anyOf"} & set(value))


def _describe(schema: Schema, entry: Entry) -> None:
    """Put the comment of a key at its place, through references."""
    node = schema
    for part in entry.path[:-1]:
        node = node["properties"][part]
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node
    try:
        node["properties"][entry.path[-1]]["description"] = entry.comment
    except KeyError:
        key = ".".join(entry.path)
        raise ConfigError(f"values.yaml: {key} has no type in pipeline.values") from None


def main(argv: list[str]) -> int:
    for path, text in rendered(Path(argv[0]) if argv else CHART).items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
