"""Whether the stages fit together, before any of them runs."""

from __future__ import annotations

import dataclasses
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec

from pipeline import codecs
from pipeline.code import ROOT
from pipeline.errors import ConfigError
from pipeline.stage import Stage


def check(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Raise a ConfigError for a name used twice, a module or image that does not exist, a dataset
    or a field that nobody writes, and a cycle; else return `stages`."""
    by_name = {stage.name: stage for stage in stages}
    if len(by_name) != len(stages):
        names = [stage.name for stage in stages]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two stages bear the name {twice}")
    for stage in stages:
        _check(stage, by_name)
    try:
        TopologicalSorter({stage.name: stage.reads for stage in stages}).prepare()
    except CycleError as error:
        raise ConfigError(f"the DAG has a cycle: {' -> '.join(error.args[1])}") from error
    return stages


def _check(stage: Stage, by_name: dict[str, Stage]) -> None:
    if find_spec(stage.module) is None:
        raise ConfigError(f"stage {stage.name}: no module {stage.module}")
    if not (ROOT / "images" / stage.image).is_dir():
        raise ConfigError(f"stage {stage.name}: no folder images/{stage.image}")
    unknown = [name for name in stage.reads if name not in by_name]
    if unknown:
        raise ConfigError(f"stage {stage.name} reads {unknown[0]}, which no stage writes")
    written = {
        (column.name, str(column.type).removesuffix(" | None"))
        for name in stage.reads
        for column in dataclasses.fields(by_name[name].gives)
    }
    for field, (kind, optional) in codecs.columns(stage.takes).items() if stage.takes else ():
        if not optional and (field, kind) not in written:
            raise ConfigError(
                f"stage {stage.name} needs the field {field}: {kind}, which none of the datasets "
                f"it reads has: {', '.join(stage.reads)}"
            )
