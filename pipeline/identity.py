"""Which run a folder is: `run.json` and `config.yaml`, from which all else in it follows.

One other bit in the config makes another dataset, and who then repairs "what was made with another
config" makes all of it anew. So run.json has the digest of config.yaml's bytes, and ends with its
own.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pipeline import disk
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.errors import CorruptData, InputError, NotReady, to_repair
from pipeline.manifest import CHECK, seal, unsealed
from pipeline.shards import RunFolder
from pipeline.stage import read_run

#: Bytes of a run.json.
LARGEST = 16 << 20
#: What a run.json has that was written before it had digests.
EARLIER = {"config", "photos", "imported", "ignored"}
CONFIG, RUN = "config.yaml", "run.json"


def write(out: Path, config: Config, known: dict[str, Any]) -> None:
    """Make `out` the folder of a run, or say of one anew what it is."""
    text = config.to_yaml().encode()
    facts = json.dumps({**known, CONFIG: hashlib.sha256(text).hexdigest()}).encode()
    # run.json first: a folder that has it is a run, even if we are killed before the next line
    disk.replace(out / RUN, seal(facts))
    disk.replace(out / CONFIG, text)


def begun(out: Path) -> dict[str, Any]:
    """What run.json says: `config` and `photos` (digests), `ignored` (files by suffix). Empty if
    there is none; raises InputError if it is damaged."""
    path = out / RUN
    try:
        data = disk.read(path, size=LARGEST)  # half of a longer one is no JSON
        found = json.loads(data)
        if CHECK in found:
            found = json.loads(unsealed(data))
        elif set(found) - EARLIER:
            found = None
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, RecursionError, IsADirectoryError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged: {to_repair(out)} writes it anew if the rest of the "
                         "run is whole; else give another folder with --out")  # fmt: skip
    return found


def wrong(out: Path) -> tuple[str, str]:
    """Which of the two files is not what it was, and a sentence about it; both "" if neither is.
    Raises InputError if `out` is no run."""
    if not disk.exists(out / CONFIG):
        read_run(out)
    try:
        facts = begun(out)
    except InputError as error:
        return RUN, str(error)
    if not facts:
        return RUN, (f"{out / RUN} is gone: {to_repair(out)} writes it anew if the rest of the run "
                     "is whole")  # fmt: skip
    if CONFIG in facts:
        try:
            same = disk.digest(out / CONFIG) == facts[CONFIG]
        except IsADirectoryError:
            same = False
    else:
        same = read_run(out).digest() == facts.get("config")
    if same:
        return "", ""
    return CONFIG, (f"{out / CONFIG} is not what it was when the run was begun or last taken up: "
                    f"give the profile of this run to `palimpsest run --out {out}` once more, "
                    "which writes it anew")  # fmt: skip


def vouched(run: RunFolder, config: Config) -> None:
    """Raises InputError unless all that is committed was made with this config; something is."""
    found = set()
    for stage in dag(config):
        for shard in stage.shards(config):
            try:
                made = run.manifest(stage.name, shard).config
            except (NotReady, CorruptData):
                continue
            found.add(made == stage.digest(config))
    if found != {True}:
        raise InputError(f"{run.path / RUN} is damaged, and nothing vouches for "
                         f"{run.path / CONFIG}: give another folder with --out")  # fmt: skip
