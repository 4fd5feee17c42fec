"""One shard of a stage: its batches are read, transformed, encoded and added to the shard's tar.

The cuts are the same on every attempt. While a batch is transformed, the next one is read and the
last one is encoded, on threads (decoding and encoding release the interpreter lock).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pipeline import codecs, fallback
from pipeline.clock import Clock
from pipeline.errors import PalimpsestError
from pipeline.manifest import Rejected
from pipeline.progress import Progress
from pipeline.records import Reject
from pipeline.shards import Row
from pipeline.spool import Spool
from pipeline.stage import Job, Transform
from pipeline.writer import Writer

Members = list[tuple[str, bytes]]


def members(record: Any) -> Members:
    """The tar members of a record: (name after the key, bytes), fields that are None left out."""
    found = []
    for field, (kind, _) in codecs.columns(type(record)).items():
        value = getattr(record, field)
        if value is not None:
            found.append((codecs.member(field, kind), codecs.encode(kind, value)))
    return found


def cut(rows: list[Row], size: int) -> list[list[Row]]:
    """Batches in key order; a size of 0 makes one of them all."""
    size = size or max(len(rows), 1)
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def salvage(
    batches: list[list[Row]], spool: Spool, writer: Writer, clock: Clock, progress: Progress
) -> tuple[list[list[Row]], list[Rejected]]:
    """Copy the batches that an earlier attempt had finished; returns those left, and the rejects of
    those copied."""
    rejected: list[Rejected] = []
    left = list(batches)
    while left and (saved := spool.take(keys := [row.key for row in left[0]])):
        with clock.phase("write"):
            for key, parts in saved.members.items():
                writer.add(key, parts)
            writer.batch_done(keys, saved.rejected, saved.seconds)
        rejected += saved.rejected
        clock.taken_over(len(keys), saved.seconds)
        progress.taken_over(len(keys))
        left.pop(0)
    writer.supersede()
    return left, rejected


@dataclass(frozen=True)
class Pending:
    """A batch that was transformed in so many seconds and is being encoded."""

    keys: list[str]
    encoded: list[tuple[str, Future[Members]]]
    declined: list[Rejected]
    seconds: float


def shard(
    job: Job[Any, Any], transform: Transform[Any, Any], batches: list[list[Row]], writer: Writer,
    pool: ThreadPoolExecutor, clock: Clock, progress: Progress,
) -> list[Rejected]:  # fmt: skip
    """Transform `batches` and add them; returns what was declined."""
    rejected: list[Rejected] = []
    pending: list[Pending] = []
    ahead = pool.submit(_read, job, batches[0]) if batches else None
    for i, batch in enumerate(batches):
        assert ahead is not None
        with clock.phase("read"):
            inputs = ahead.result()
        if i + 1 < len(batches):
            ahead = pool.submit(_read, job, batches[i + 1])
        with clock.phase("transform"):
            results = transform(inputs)
        took = clock.took
        if len(results) != len(batch):
            raise PalimpsestError(f"{len(batch)} samples went in, {len(results)} came out")
        if clock.meter:
            clock.meter.batch(results, took, cuts := fallback.taken())
            progress.cut(cuts)
        _drain(pending, writer, clock)
        pending.append(_encoding(batch, results, pool, took))
        rejected += pending[-1].declined
        progress.advance(len(batch))
    _drain(pending, writer, clock)
    return rejected


def _encoding(
    batch: list[Row], results: Sequence[Any], pool: ThreadPoolExecutor, seconds: float
) -> Pending:
    encoded, declined = [], []
    for row, result in zip(batch, results, strict=True):
        record = result
        if isinstance(result, Reject):
            declined.append(Rejected(key=row.key, reason=result.reason, detail=result.detail))
            record = result.record
        if record is not None:
            encoded.append((row.key, pool.submit(members, record)))
    return Pending([row.key for row in batch], encoded, declined, seconds)


def _read(job: Job[Any, Any], batch: list[Row]) -> list[Any]:
    return [row.key if job.takes is None else row.read(job.takes) for row in batch]


def _drain(pending: list[Pending], writer: Writer, clock: Clock) -> None:
    with clock.phase("write"):
        for batch in pending:
            for key, encoded in batch.encoded:
                writer.add(key, encoded.result())
            writer.batch_done(batch.keys, batch.declined, batch.seconds)
        pending.clear()
