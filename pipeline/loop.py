"""The one loop of every stage: read, transform, encode, count, commit; skip what is committed.

Jobs contain no clock, counter, file or log call. While a batch is transformed, the next one is read
and the last one is encoded, on threads (decoding and encoding release the interpreter lock).
"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pipeline import code, codecs, fallback, gpu
from pipeline.errors import PalimpsestError
from pipeline.manifest import Manifest, Rejected
from pipeline.meter import Meter
from pipeline.progress import Progress, committed
from pipeline.records import Reject
from pipeline.seeds import SCHEME
from pipeline.shards import Joined, Row, Writer, join
from pipeline.stage import Context, Job, Stage, Transform

Members = list[tuple[str, bytes]]


class Clock:
    """Seconds by phase, for the manifest's attempt and, with a meter, for the metrics; `took` are
    those of the last one."""

    def __init__(self, meter: Meter | None = None) -> None:
        self.started, self.phases, self.meter = time.time(), dict[str, float](), meter
        self.took = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.took = time.perf_counter() - begun
            self.phases[name] = self.phases.get(name, 0.0) + self.took
            if self.meter:
                self.meter.phase(name, self.took)

    def attempt(self, stage: Stage) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return {
            "host": socket.gethostname(), "started": self.started,
            "seconds": round(time.time() - self.started, 3), "peak_rss_mib": peak,
            "gpu": gpu.name() if stage.gpu_gib else "",
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
        }  # fmt: skip


def members(record: Any) -> Members:
    """The tar members of a record: (name after the key, bytes), fields that are None left out."""
    found = []
    for field, (kind, _) in codecs.columns(type(record)).items():
        value = getattr(record, field)
        if value is not None:
            found.append((codecs.member(field, kind), codecs.encode(kind, value)))
    return found


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
    progress, meter = Progress(context), Meter(context)
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="io") as pool:
        for shard in context.shards:
            if context.run.committed(context.stage.name, shard):
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
            with Writer(context.run, context.stage.name, shard) as writer:
                rejected = _shard(job, transform, rows, writer, pool, clock, progress)
                with clock.phase("commit"):
                    manifest = writer.commit(
                        [row.key for row in rows], rejected, joined.parents,
                        facts(context, model), clock.attempt(context.stage),
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


def _shard(
    job: Job[Any, Any], transform: Transform[Any, Any], rows: list[Row], writer: Writer,
    pool: ThreadPoolExecutor, clock: Clock, progress: Progress,
) -> list[Rejected]:  # fmt: skip
    """One shard: batches in key order, the same cuts on every attempt."""
    size = job.batch or max(len(rows), 1)
    batches = [rows[i : i + size] for i in range(0, len(rows), size)]
    rejected: list[Rejected] = []
    pending: list[tuple[str, Future[Members]]] = []
    ahead = pool.submit(_read, job, batches[0]) if batches else None
    for i, batch in enumerate(batches):
        assert ahead is not None
        with clock.phase("read"):
            inputs = ahead.result()
        if i + 1 < len(batches):
            ahead = pool.submit(_read, job, batches[i + 1])
        with clock.phase("transform"):
            results = transform(inputs)
        if len(results) != len(batch):
            raise PalimpsestError(f"{len(batch)} samples went in, {len(results)} came out")
        if clock.meter:
            clock.meter.batch(results, clock.took, cuts := fallback.taken())
            progress.cut(cuts)
        _drain(pending, writer, clock)
        for row, result in zip(batch, results, strict=True):
            record = result
            if isinstance(result, Reject):
                rejected.append(Rejected(key=row.key, reason=result.reason, detail=result.detail))
                record = result.record
            if record is not None:
                pending.append((row.key, pool.submit(members, record)))
        progress.advance(len(batch))
    _drain(pending, writer, clock)
    return rejected


def _read(job: Job[Any, Any], batch: list[Row]) -> list[Any]:
    return [row.key if job.takes is None else row.read(job.takes) for row in batch]


def _drain(pending: list[tuple[str, Future[Members]]], writer: Writer, clock: Clock) -> None:
    with clock.phase("write"):
        for key, encoded in pending:
            writer.add(key, encoded.result())
        pending.clear()


def publish(
    context: Context, records: dict[str, Any], ids_in: Sequence[str], parents: dict[str, str],
    clock: Clock, model: str = "",
) -> Manifest:  # fmt: skip
    """Commit the outcome of a stage of scope "run": one shard, samples by key.

    `ids_in` must be covered by `records`, whose other keys are extra (a scores document, say).
    """
    with Writer(context.run, context.stage.name, 0) as writer:
        for key in sorted(records):
            writer.add(key, members(records[key]))
        manifest = writer.commit(ids_in, [], parents, facts(context, model),
                                 clock.attempt(context.stage))  # fmt: skip
    committed(manifest, writer.diverged)
    meter = Meter(context)
    meter.shard_done(manifest, writer.diverged)
    meter.finished()
    return manifest
