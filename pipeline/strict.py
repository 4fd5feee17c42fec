"""YAML read strictly, and each mistake in it said in one sentence: file, key, nearest valid one.

A config may come from anybody. So it is plain YAML (no tags, which choose types), small, flat, with
few aliases (which a few lines can multiply to billions), and each key stands once.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError

#: Bytes of a file; and of a mapping letters, levels, aliases, letters of what is no text: numbers.
LARGEST, LONGEST, DEEPEST, ALIASES, NUMBER = 16 << 20, 1 << 20, 20, 64, 64
TEXT = "tag:yaml.org,2002:str"
#: Letters of a key that a sentence names, and of what it says of it.
NAMED, LONGEST_SAID = 80, 500


class _Refused(yaml.MarkedYAMLError):
    """What is valid YAML, but not of a config."""

    line = 0


class _Loader(yaml.SafeLoader):
    """Plain YAML in which a key may stand once."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > ALIASES:
                raise _refused(f"more than {ALIASES} aliases", event)
        elif getattr(event, "tag", None) not in (None, "!"):
            raise _refused(f"a tag, {event.tag!r}", event)
        if self.depth == DEEPEST:
            raise _refused(f"more than {DEEPEST} levels", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.ScalarNode) and node.tag != TEXT and len(node.value) > NUMBER:
            raise _refused(f"a number of {len(node.value)} letters", event)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise _refused("a list or a mapping as a key", key_node)
            if key in seen:
                raise _refused(f"the key {str(key)[:NAMED]!r} stands twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _refused(what: str, where: Any) -> _Refused:
    found = _Refused(problem=what, problem_mark=where.start_mark)
    found.line = where.start_mark.line + 1
    return found


def text(path: Path) -> str:
    """The file's text. Raises a `ConfigError` if it is a folder, too large or not UTF-8; other
    OSErrors (FileNotFoundError, say) are the caller's."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder: give a YAML file") from None
    if len(data) > LARGEST:
        raise ConfigError(f"{path} has more than {LARGEST >> 20} MiB: give a YAML file")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from None


def mapping(text: str, where: str) -> dict[Any, Any]:
    """The keys and values of a YAML text; a `ConfigError` names the file `where`."""
    if len(text) > LONGEST:
        raise ConfigError(f"{where} has more than {LONGEST >> 20} MiB: no config is so large")
    try:
        data = yaml.load(text, _Loader)
    except _Refused as error:
        raise ConfigError(f"{where}, line {error.line}: {error.problem}, which no config has"
                          ) from None  # fmt: skip
    except yaml.MarkedYAMLError as error:
        at = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        said = _plain(error.problem or error.context or "it cannot be read")
        raise ConfigError(f"{where} is not valid YAML: {said}{at}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{where} is not valid YAML: a character of line {line} is in no text"
                          ) from error  # fmt: skip
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a date such as 2026-13-45
        raise ConfigError(f"{where} is not valid YAML: {_plain(str(error))}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected keys and values, found {type(data).__name__}")
    return data


def _plain(said: str) -> str:
    return " ".join(said.split())[:LONGEST_SAID]


def sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake that `model` found, with its key."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = [str(part)[:NAMED] for part in first["loc"] if part != "[key]"]
    key = ".".join(path)
    if first["type"] != "extra_forbidden":
        said = first["msg"].removeprefix("Value error, ")[:LONGEST_SAID]
        return f"{key}: {said}" if key else said
    valid = list(_section(model, path[:-1]).model_fields)
    near = difflib.get_close_matches(path[-1], valid, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys here: {', '.join(sorted(valid))}"
    return f"unknown key {key!r}; {hint}"


def _section(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The model of the section at `path`; names that the user chose stand in dicts."""
    for part in path:
        known = model.model_fields.get(part)
        kinds = [known.annotation, *get_args(known.annotation)] if known else []
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        model = models[0] if models else model
    return model
