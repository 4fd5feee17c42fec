"""`palimpsest repair`: make again what `palimpsest verify` finds damaged, and nothing else.

Nothing is overwritten and nothing deleted: a damaged shard is moved to `retired/<generation>/`,
manifest first, and so is uncommitted; its stage makes it anew. On CPUs that gives the same bytes,
so all that was made from them stands; where it gives others, what was made from the old ones is
found by its lineage and made again in the next generation. Files beside the shards are written anew
from them. A config.yaml that is not the run's own is left to its owner: to believe it would be to
make another dataset.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from pipeline import disk, local, runs
from pipeline.documents import Doc
from pipeline.errors import OK
from pipeline.shards import RunFolder
from pipeline.stage import read_run
from pipeline.units import counted
from pipeline.verify import Damage, Verdict, as_text, verify

#: Damage may show in lineage only once its parents have been made again; each round goes one step
#: further. A run that is still damaged after these is so by its settings or its photographs.
ROUNDS = 5
LAST = "report"


class Repair(Doc):
    """`retired` has by generation the shards that were moved away, as `dataset/shard`."""

    run: str
    digest: str
    retired: dict[str, tuple[str, ...]]
    exit_code: int


def main(args: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr) if args.json else nullcontext():
        found = repair(args.run, args.retire)
    if args.json:
        print(found.model_dump_json(indent=2))
    return found.exit_code


def repair(path: Path, retire_only: bool = False, say: Callable[[str], None] = print) -> Repair:
    """Raises InputError if `path` is no run, or its config not to be believed, and TransientError
    if another palimpsest works there."""
    run = RunFolder(path)
    if done := runs.mend(run):
        say(done)
    config = read_run(path)
    photos = Path(config.photos) if config.photos else None
    until = LAST if run.committed(LAST, 0) or not config.imported else "index"
    retired: dict[str, tuple[str, ...]] = {}
    code = OK
    for _ in range(ROUNDS):
        found = verify(path)
        say(as_text(found))
        if not found.damages and not found.files:
            return _ended(found, retired, found.exit_code and (code or found.exit_code))
        if found.damages:
            generation = next_generation(run)
            with runs.lock(path):
                retired[generation.name] = retire(run, found.damages, generation)
            say(f"moved {counted(len(found.damages), 'shard')} to {generation}")
        if retire_only:
            say("submit the workflow of this run again: it makes them anew")
            return _ended(found, retired, OK)
        code = local.run(config, photos, path, until)  # what it still finds, the next round mends
    found = verify(path)
    say(as_text(found))
    return _ended(found, retired, found.exit_code)


def next_generation(run: RunFolder) -> Path:
    """The folder that the next damaged shards are moved to."""
    home = run.path / "retired"
    known = [int(path.name) for path in home.glob("[0-9]*") if path.name.isdigit()]
    return home / f"{max(known, default=0) + 1:04d}"


def retire(run: RunFolder, damages: Iterable[Damage], generation: Path) -> tuple[str, ...]:
    """Move manifests and tars away. Killed in the midst of it, what was moved is made again all the
    same, and the rest is found by the next repair."""
    moved = []
    for damage in damages:
        manifest = run.manifest_path(damage.dataset, damage.shard)
        target = generation / damage.dataset
        disk.make_folder(target)
        tars = manifest.parent.glob(f"{damage.shard:05d}-*.tar")
        for path in (manifest, *sorted(tars)):
            if disk.exists(path):
                disk.system.replace(path, target / path.name)
        disk.system.sync_folder(manifest.parent)
        disk.system.sync_folder(target)
        moved.append(f"{damage.dataset}/{damage.shard:05d}")
    return tuple(moved)


def _ended(found: Verdict, retired: dict[str, tuple[str, ...]], code: int) -> Repair:
    return Repair(run=found.run, digest=found.digest, retired=retired, exit_code=code)
