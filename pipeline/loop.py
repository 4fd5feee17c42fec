"""The one loop of every stage: read, transform, encode, count, commit; skip what is committed.

Jobs contain no clock, counter, file or log call. pipeline/batches.py has the work at one shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline import batches, code
from pipeline.clock import Clock
from pipeline.errors import PalimpsestError
from pipeline.manifest import Manifest
from pipeline.meter import Meter
from pipeline.progress import Progress, committed, finished
from pipeline.seeds import SCHEME
from pipeline.shards import Joined, Row, join
from pipeline.spool import Spool
from pipeline.stage import Context, Job, Transform
from pipeline.writer import Writer


def facts(context: Context, model: str) -> dict[str, str]:
    """What a manifest says about how its bytes came to be."""
    return {
        "config": context.stage.digest(context.config),
        "code": code.digest(),
        "model": model,
        "seeds": SCHEME,
    }


def work(context: Context, job: Job[Any, Any]) -> int:
    """Run `job` over this process's shards; returns the exit code 0. Errors are raised."""
    loaded: tuple[Transform[Any, Any], str] | None = None
    stage, progress, meter = context.stage.name, Progress(context), Meter(context)
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="io") as pool:
        for shard in context.shards:
            if context.run.committed(stage, shard):
                progress.shard_skipped(shard)
                meter.shard_done(None)
                continue
            clock = Clock(meter)
            joined = join(context.run, context.stage.reads, shard)
            rows = _rows(context, job, joined, shard)
            if rows and loaded is None:
                with clock.phase("load"):
                    loaded = job.load()
                progress.model_loaded(loaded[1], clock.phases["load"])
            transform, model = loaded if rows and loaded else (_nothing, "")
            progress.shard_started(shard, len(rows))
            known = facts(context, model)
            todo = batches.cut(rows, job.batch)
            spool = Spool(context.run, stage, shard, {**known, **joined.parents})
            with Writer(context.run, stage, shard, spool if len(todo) > 1 else None) as writer:
                todo, rejected = batches.salvage(todo, spool, writer, clock, progress)
                rejected += batches.shard(job, transform, todo, writer, pool, clock, progress)
                with clock.phase("commit"):
                    manifest = writer.commit(
                        [row.key for row in rows], rejected, joined.parents,
                        known, clock.attempt(context.stage),
                    )  # fmt: skip
            progress.shard_done(manifest, writer.diverged)
            meter.shard_done(manifest, writer.diverged)
    meter.finished()
    progress.finished()
    return 0


def _rows(context: Context, job: Job[Any, Any], joined: Joined, shard: int) -> list[Row]:
    """The samples of a shard that this stage answers for, in key order."""
    if job.takes is None:
        return [Row(key, context.run) for key in context.stage.keys(context.config, shard)]
    return [row for row in joined.rows.values() if row.has(job.takes) and job.mine(row)]


def _nothing(batch: Sequence[Any]) -> list[Any]:
    raise PalimpsestError("a job without samples was called")


def publish(
    context: Context, records: dict[str, Any], ids_in: Sequence[str], parents: dict[str, str],
    clock: Clock, model: str = "",
) -> Manifest:  # fmt: skip
    """Commit the outcome of a stage of scope "run": one shard, samples by key.

    `ids_in` must be covered by `records`, whose other keys are extra (a scores document, say).
    """
    with Writer(context.run, context.stage.name, 0) as writer:
        for key in sorted(records):
            writer.add(key, batches.members(records[key]))
        manifest = writer.commit(ids_in, [], parents, facts(context, model),
                                 clock.attempt(context.stage))  # fmt: skip
    committed(manifest, writer.diverged)
    meter = Meter(context)
    meter.shard_done(manifest, writer.diverged)
    meter.finished()
    finished(context, manifest.counts(), 1, manifest.attempt.seconds)
    return manifest
