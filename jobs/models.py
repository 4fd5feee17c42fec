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
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jobs.tiny.cache import VERSION
from pipeline import config, store
from pipeline.cards import Role, card
from pipeline.config import Config
from pipeline.errors import OK, CorruptData, PermanentError, outcome
from pipeline.reading import bar

COLUMNS = ("model", "repository", "licence", "gated", "GPU GiB", "state", "size", "revision")


@dataclass(frozen=True, slots=True)
class Row:
    """One repository of one model. `licence` is "" where the model has no card."""

    role: Role
    name: str
    repo: str
    folder: str
    licence: str
    gated: bool
    gpu_gib: int
    state: Literal["missing", "present", "locked"]
    bytes: int = 0
    commit: str = ""


def main(args: argparse.Namespace) -> int:
    chosen = config.load(args.profile)
    if args.does == "fetch":
        return fetch(chosen)
    found = list(rows(chosen))
    if args.does == "verify":
        return verify(found, tiny=chosen.editing.weights == "tiny")
    print(json.dumps([asdict(row) for row in found], indent=2) if args.json else table(found))
    return OK


def used(chosen: Config) -> list[tuple[Role, str]]:
    """The models of a profile that may have weights."""
    return [
        *(("editors", name) for name in chosen.families),
        ("vlms", chosen.vlm),
        ("segmenters", chosen.segmenter),
    ]


def rows(chosen: Config) -> Iterator[Row]:
    root = Path(chosen.editing.folder).expanduser()
    for role, name in used(chosen):
        facts = card(role, name)
        below = root / VERSION / name if chosen.editing.weights == "tiny" else root
        for repo, folder in zip(facts.repos, facts.folders(below), strict=True):
            lock = None
            with suppress(PermanentError):  # `verify` says what is wrong with it
                lock = store.read(folder)
            here = any(folder.glob("*"))
            files = store.survey(folder, hashed=False).files if here or not lock else lock.files
            size = sum(one.bytes for one in files.values())
            state: Literal["missing", "present", "locked"] = "present" if here else "missing"
            yield Row(role, name, repo, str(folder), facts.licence, facts.gated, facts.gpu_gib,
                      "locked" if here and lock else state, size,
                      lock.commit if lock else "")  # fmt: skip
    for name, detector in chosen.detectors.items():
        if detector.pretrained:
            repo = f"smp-hub/{detector.encoder}.imagenet"
            folder = _hub_cache() / f"models--{repo.replace('/', '--')}"
            yield Row("detectors", name, repo, str(folder), "", False, 0,
                      "present" if any(folder.glob("snapshots/*/*")) else "missing")  # fmt: skip


def _hub_cache() -> Path:
    """Where the hub's client keeps what training reads: its library pins the revision itself."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub")).expanduser()


def table(found: Sequence[Row]) -> str:
    lines = [COLUMNS] + [
        (row.name, row.repo, row.licence or "not stated", "yes" if row.gated else "no",
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

    for role, name in used(chosen):
        for folder in ensure(chosen, role, name):
            print(f"{name}: {folder}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "config.yaml")
        path.write_text(chosen.to_yaml())
        for name, detector in chosen.detectors.items():
            command = ["-m", "training.fetch", "--detector", name, "--config", str(path)]
            if detector.pretrained and (
                status := subprocess.run([sys.executable, *command], check=False).returncode
            ):
                return outcome(status)[0]
    return OK


def verify(found: Sequence[Row], *, tiny: bool) -> int:
    """A line a repository that is right, a line a fault; raises CorruptData if there is a fault."""
    faults = 0
    mine = [row for row in found if row.role != "detectors"]  # the others lie in the hub's cache
    with bar(sum(row.bytes for row in mine)) as told:
        for row in mine:
            if tiny and row.state == "missing":
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
