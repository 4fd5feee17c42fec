"""`palimpsest show`: the DAG as text, and as the README's picture."""

from __future__ import annotations

import re
from collections import Counter

from pipeline.config import Config
from pipeline.stage import Stage


def as_text(stages: tuple[Stage, ...], config: Config) -> str:
    """One line a stage: what it reads, where it runs, over how many shards."""
    width = max(len(stage.name) for stage in stages)
    lines = [f"{config.profile}: {config.samples} samples, {config.shards} shards, "
             f"{config.local.partitions} partitions, {len(stages)} stages"]  # fmt: skip
    members = Counter(_group(stage.name) for stage in stages)
    for stage in stages:
        kind = f"gpu {stage.gpu_gib} GiB" if stage.gpu_gib else "cpu"
        kind += f" x {stage.processes}" if stage.processes > 1 else ""
        spread = "by partition" if stage.scope == "shard" else "once"
        reads = ", ".join(_shorten(stage.reads, members)) or "the photographs"
        lines.append(
            f"  {stage.name:<{width}}  {kind:<12} {spread:<13} {stage.image:<8} <- {reads}"
        )
    return "\n".join(lines)


def _shorten(names: tuple[str, ...], members: Counter[str]) -> list[str]:
    """`edit-1-sd2, edit-1-flux, ...` as one `edit-1-*`, if those are all of the group's `members`
    and more than one."""
    here = Counter(map(_group, names))
    whole = {group for group, count in here.items() if 1 < count == members[group]}
    return list(dict.fromkeys(_group(name) if _group(name) in whole else name for name in names))


#: Stages alike, which are told apart by their family, split, detector, task or subset.
_ALIKE = re.compile(r"generate-|assemble-|train-|edit-\d+-|replay-.+?-\d+-|evaluate-[^-]+-")


def _group(name: str) -> str:
    found = _ALIKE.match(name)
    return found[0] + "*" if found else name


def as_mermaid(stages: tuple[Stage, ...]) -> str:
    """A flowchart in which the families of a step are one node. Edges are direct: an edge that
    follows from two others is left out."""
    groups: dict[str, set[str]] = {}
    members: dict[str, list[str]] = {}
    for stage in stages:
        group = _group(stage.name)
        groups.setdefault(group, set()).update(_group(name) for name in stage.reads)
        members.setdefault(group, []).append(stage.name)
    above = {name: _ancestors(name, groups) for name in groups}
    ids = {name: f"n{i}" for i, name in enumerate(groups)}
    starts = [ids[name] for name, reads in groups.items() if not reads]
    lines = ["flowchart TD", *(f"    photos[(photographs)] --> {ident}" for ident in starts)]
    for name, ident in ids.items():
        count = len(members[name])
        label = f"{name} × {count}" if count > 1 else members[name][0]
        lines.append(f'    {ident}["{label}"]')
    for name, reads in groups.items():
        for read in sorted(reads, key=list(groups).index):
            if not any(read in above[other] for other in reads if other != read):
                lines.append(f"    {ids[read]} --> {ids[name]}")
    return "\n".join(lines)


def _ancestors(name: str, groups: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(groups[name])
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo.extend(groups[one])
    return found
