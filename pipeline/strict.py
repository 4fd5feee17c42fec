"""YAML read strictly, and each mistake in it said in one sentence: file, key, nearest valid one."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """YAML in which a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubled = [key for i, key in enumerate(seen) if key in seen[:i]]
        if doubled:
            line = node.start_mark.line + 1
            raise ValueError(f"key {doubled[0]!r} stands twice in the mapping at line {line}")
        return super().construct_mapping(node, deep)


def text(path: Path) -> str:
    """The file's text. Raises a `ConfigError` if it is a folder or not UTF-8; other OSErrors
    (FileNotFoundError, say) are the caller's."""
    try:
        return path.read_bytes().decode()
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder: give a YAML file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from None


def mapping(text: str, where: str) -> dict[Any, Any]:
    """The keys and values of a YAML text; a `ConfigError` names the file `where`."""
    try:
        data = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-45
        raise ConfigError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise ConfigError(f"{where} is nested too deeply: write it flat") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected keys and values, found {type(data).__name__}")
    return data


def sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake that `model` found, with its key."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = [str(part) for part in first["loc"] if part != "[key]"]
    key = ".".join(path)
    if first["type"] != "extra_forbidden":
        said = first["msg"].removeprefix("Value error, ")
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
