"""`palimpsest models`: which models a profile uses, whether they are here, and whether they still
are what was fetched.

    list     a line a repository: licence, gating, memory, and whether it is here
    fetch    download (or build) what is missing and lock it
    verify   hold every file against the locks; a line a fault

`list` and `verify` need nothing but the base dependencies.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jobs.tiny.cache import VERSION
from pipeline import cards, config, store
from pipeline.cards import Role
from pipeline.config import Config
from pipeline.errors import OK, CorruptData, PermanentError
from pipeline.reading import bar

COLUMNS = ("model", "repository", "licence", "gated", "GPU GiB", "state", "size", "revision")


@dataclass(frozen=True, slots=True)
class Row:
    """One repository of one model. `bytes` are those that are here, or else those of its lock."""

    role: Role
    name: str
    repo: str
    folder: str
    licence: str
    gated: bool
    gpu_gib: int
    tiny: bool
    state: Literal["missing", "present", "locked"]
    bytes: int = 0
    commit: str = ""


def main(args: argparse.Namespace) -> int:
    chosen = config.load(args.profile)
    if args.does == "fetch":
        return fetch(chosen)
    found = list(rows(chosen))
    if args.does == "verify":
        return verify(found)
    print(json.dumps([asdict(row) for row in found], indent=2) if args.json else table(found))
    return OK


def rows(chosen: Config) -> Iterator[Row]:
    """A line a repository of each model. Tiny weights lie apart; encoders are never tiny."""
    root = Path(chosen.editing.folder).expanduser()
    for role, name, facts in cards.used(chosen):
        tiny = chosen.editing.weights == "tiny" and role != "detectors"
        below = root / VERSION / name if tiny else root
        for repo, folder in zip(facts.repos, facts.folders(below), strict=True):
            lock = None
            with suppress(PermanentError):  # `verify` says what is wrong with it
                lock = store.read(folder)
            here = any(folder.glob("*"))
            files = store.survey(folder, hashed=False).files if here or not lock else lock.files
            size = sum(one.bytes for one in files.values())
            state: Literal["missing", "present", "locked"] = "present" if here else "missing"
            yield Row(role, name, repo, str(folder), facts.licence, facts.gated, facts.gpu_gib,
                      tiny, "locked" if here and lock else state, size,
                      lock.commit if lock else "")  # fmt: skip


def table(found: Sequence[Row]) -> str:
    lines = [COLUMNS] + [
        (row.name, row.repo, row.licence, "yes" if row.gated else "no",
         str(row.gpu_gib or "-"), row.state, f"{row.bytes / 1e9:.2f} GB" if row.bytes else "-",
         row.commit[:12] or "-")
        for row in found
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def fetch(chosen: Config) -> int:
    """Everything the profile uses, one after the other; what is there and locked stays."""
    from jobs.fetch import ensure

    for role, name, _ in cards.used(chosen):
        ensure(chosen, role, name)
    return OK


def verify(found: Sequence[Row]) -> int:
    """A line a folder that is right, a line a fault; raises CorruptData if there is a fault. Models
    that read the same folder have it verified once."""
    faults = 0
    folders: dict[str, Row] = {}
    for row in found:
        folders.setdefault(row.folder, row)
    with bar(sum(row.bytes for row in folders.values() if row.state != "missing")) as told:
        for row in folders.values():
            if row.tiny and row.state == "missing":
                print(f"-     {row.name}: tiny weights are made when they are needed")
                continue
            said = wrong(row, told)
            faults += len(said)
            for line in [f"FAIL  {one}" for one in said] or [f"ok    {row.folder}"]:
                print(line, flush=True)
    if faults:
        count = "1 fault" if faults == 1 else f"{faults} faults"
        raise CorruptData(f"{count}: move away each folder named above (and its lock, to have the "
                          "newest revision) and run `palimpsest models fetch`")  # fmt: skip
    return OK


def wrong(row: Row, told: Callable[[int], None]) -> list[str]:
    """The faults of one repository."""
    folder = Path(row.folder)
    if row.state == "missing":
        return [f"{folder} is missing: run `palimpsest models fetch`"]
    try:
        lock = store.read(folder)
    except PermanentError as error:
        return [str(error)]
    if lock is None:
        return [f"{folder} has no lock: run `palimpsest models fetch`, which locks what is there"]
    strangers = (
        [] if lock.repo in ("", row.repo) else [f"{folder} is of {lock.repo}, not {row.repo}"]
    )
    return strangers + store.faults(folder, lock, store.survey(folder, told))
