"""`palimpsest verify`: everything of a run that can be wrong, looked at.

The audit counts samples, and reads every tar against its digest. This goes on where it stops: which
members of a damaged tar are damaged, whether the pictures keep the rules of pipeline/pixels.py, and
whether the files beside the shards are what they were. What it names is what `palimpsest repair`
makes again. Logs, and what was retired or came second, are nobody's data, and not looked at.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from pipeline import audit, disk, identity, pixels, publish, reading
from pipeline.config import Config
from pipeline.conservation import Fault
from pipeline.dag import checked
from pipeline.documents import Doc
from pipeline.errors import OK, PERMANENT, TRANSIENT, CorruptData, NotReady, to_repair
from pipeline.manifest import Manifest, Member
from pipeline.shards import RunFolder
from pipeline.stage import Stage, read_run
from pipeline.summary import lacking
from pipeline.units import counted, size

#: Members of one tar that are named; the rest are counted.
NAMED = 5


class Damage(Doc):
    """A committed shard and all that is wrong with it."""

    dataset: str
    shard: int
    what: tuple[str, ...]


class Verdict(Doc):
    """`pictures` are those whose pixels were held against the rules; `files` are sentences on those
    beside the shards that are not what they were; `missing` is work not done."""

    run: str
    digest: str
    shards: int
    bytes: int
    pictures: int
    damages: tuple[Damage, ...]
    missing: tuple[str, ...]
    files: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return PERMANENT if self.damages or self.files else TRANSIENT if self.missing else OK


def main(args: argparse.Namespace) -> int:
    found = verify(args.run)
    print(found.model_dump_json(indent=2) if args.json else as_text(found), flush=True)
    return found.exit_code


def as_text(found: Verdict) -> str:
    lines = [f"damaged: {what}" for damage in found.damages for what in damage.what]
    lines += [f"damaged: {what}" for what in found.files]
    lines += lacking(found.missing)
    read, seen = counted(found.shards, "shard"), counted(found.pictures, "picture")
    lines.append(f"read: {read} of {size(found.bytes)}, and the pixels of {seen}")
    if found.damages:
        beside = f" and {counted(len(found.files), 'other file')}" if found.files else ""
        lines.append(f"verify: damage in {counted(len(found.damages), 'shard')}{beside}: "
                     f"{to_repair(found.run)} makes good what it can")  # fmt: skip
    elif found.files:
        lines.append(f"verify: damage in {counted(len(found.files), 'file')} beside the shards")
    else:
        whole = f"whole, dataset digest {found.digest}" if found.digest else "whole"
        missing = "not damaged, but incomplete: wait while it is at work, else run it again"
        lines.append(f"verify: {missing if found.missing else whole}")
    return "\n".join(lines)


def verify(path: Path) -> Verdict:
    """Read a run to the last byte. Raises InputError if it is none. Of a run that is not known any
    more for what it was, nothing is read: all of it would seem wrong, and be made anew."""
    _, strange = identity.wrong(path)
    if strange:
        return Verdict(run=str(path), digest="", shards=0, bytes=0, pictures=0, damages=(),
                       missing=(), files=(strange,))  # fmt: skip
    config, run = read_run(path), RunFolder(path)
    stages = checked(config)
    recount, faults = audit.look(path, verify=True)
    found: dict[tuple[str, int], list[str]] = {}
    for fault in faults:
        found.setdefault((fault.dataset, fault.shard), []).append(fault.text)
    for (name, shard), said in found.items():
        said += _members(run, name, shard)
    pictures, wrong = _looked_at(run, config, list(_readable(run, config, stages)))
    for fault in wrong:
        found.setdefault((fault.dataset, fault.shard), []).append(fault.text)
    damages = tuple(Damage(dataset=name, shard=shard, what=tuple(what))
                    for (name, shard), what in sorted(found.items()))  # fmt: skip
    return Verdict(run=str(path), digest=recount.digest, bytes=reading.stored(run),
                   shards=sum(row.shards for row in recount.stages.values()),
                   pictures=pictures, missing=recount.missing, damages=damages,
                   files=tuple(publish.stale(run, config, not recount.missing)))  # fmt: skip


def _members(run: RunFolder, dataset: str, shard: int) -> list[str]:
    """Which members of a shard's tar are not what was committed."""
    try:
        manifest = run.manifest(dataset, shard)
        run.measure(manifest)
    except (CorruptData, NotReady):  # said already
        return []
    wrong = [f"{key}.{member.name}" for key, members in manifest.records.items()
             for member in members if _differs(run, manifest, member)]  # fmt: skip
    if not wrong:
        return []
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    return [f"{dataset} shard {shard:05d}: damaged are {', '.join(wrong[:NAMED])}{more}"]


def _differs(run: RunFolder, manifest: Manifest, member: Member) -> bool:
    data = disk.read(run.tar(manifest), member.offset, member.size)
    return hashlib.sha256(data).hexdigest() != member.sha256


def _readable(
    run: RunFolder, config: Config, stages: Iterable[Stage]
) -> Iterator[tuple[Stage, int]]:
    """The shards whose pictures have rules, and whose manifests and parents' can be read."""
    for stage in stages:
        for shard in stage.shards(config) if pixels.ruled(stage) else ():
            with suppress(CorruptData, NotReady):
                for name in (stage.name, *stage.reads):
                    run.manifest(name, shard)
                yield stage, shard


def _looked_at(
    run: RunFolder, config: Config, todo: list[tuple[Stage, int]]
) -> tuple[int, list[Fault]]:
    """Decoding lets threads run side by side; each shard is a task."""
    pictures, faults = 0, list[Fault]()
    with (
        ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="pixels") as pool,
        reading.count_bar("pictures of shards", len(todo)) as told,
    ):
        for looked, wrong in pool.map(lambda one: pixels.check(run, config, *one), todo):
            pictures += looked
            faults += wrong
            told(1)
    return pictures, faults
