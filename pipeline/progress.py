"""What a stage says while it works: first what it will do, an event per shard, last what it did.

Within a shard that takes long there is an event a minute. Samples that were declined on purpose are
counted; those that were quarantined are told one by one, up to `SHOWN` of a shard.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline import events
from pipeline.events import Numbers, Span
from pipeline.manifest import Manifest, Rejected
from pipeline.pulse import Pulse, Told
from pipeline.uses import uses

if TYPE_CHECKING:
    from pipeline.stage import Context

#: What is counted of samples; of a shard, the declined are said only where there are any.
COUNTED = ("in", "out", "filtered", "quarantined")
DECLINED = COUNTED[2:]
#: Quarantined samples of a shard that are told one by one, and the characters of their details.
SHOWN, DETAIL = 20, 200


def begun(context: Context) -> None:
    """The first event of a process: which shards, made how, and where they will lie."""
    shards, done = context.shards, context.already
    ends: dict[str, Any] = {"first": shards[0], "last": shards[-1]} if shards else {}
    which = "shards {first:05d}-{last:05d}" if len(shards) > 1 else "shard {first:05d}"
    already = [", {already} of {shards} committed already"] if done else []
    how, facts = uses(context.stage, context.config)
    said = [which if shards else "no shards", *already, ", " if how else "", how]
    events.say(
        "stage-started", f"started: {''.join(said)}, into {{folder}}",
        shards=len(shards), already=done, **ends, **facts,
        folder=str(context.run.datasets / context.stage.name),
    )  # fmt: skip


def finished(context: Context, counts: Counter[str], committed: int, seconds: float) -> None:
    """The last event: what this process did, and where it lies. `counts` are of the samples of the
    `committed` shards that are its own; the others were committed before."""
    number: dict[str, Any] = {name: counts[name] for name in COUNTED}
    skipped = len(context.shards) - committed
    rate = counts["in"] / seconds if seconds else 0.0
    said = ["finished: {committed} shard" + "s" * (committed != 1) + " committed"]
    said += ["{skipped} skipped (committed before)"] * (skipped > 0)
    said += [f"{{{name}}} {name}" for name in COUNTED if number[name]] + ["{seconds:span}"]
    if rate and context.stage.scope == "shard":
        said.append("{samples_per_second:.3g} samples/s")
    events.say(
        "stage-finished", ", ".join([*said, "in {folder}"]), committed=committed, skipped=skipped,
        **number, seconds=_span(seconds), samples_per_second=round(rate, 3),
        folder=str(context.run.datasets / context.stage.name),
    )  # fmt: skip


def nothing_to_do(context: Context) -> None:
    """The last event of a stage of one shard that is committed already."""
    finished(context, Counter(), 0, 0.0)


def committed(manifest: Manifest, diverged: bool = False) -> None:
    """The event of a commit, after those of its quarantined samples. `samples_per_second` is of
    what came in, loading a model included."""
    quarantined([one for one in manifest.rejected if one.outcome == "quarantined"], manifest.shard)
    counts, attempt = manifest.counts(), manifest.attempt
    seconds = attempt.seconds
    number: dict[str, Any] = {name: counts[name] for name in COUNTED}
    more = [f", {{{name}}} {name}" for name in DECLINED if counts[name]]
    if attempt.salvaged:
        more.append(", {salvaged} taken over from an attempt that was killed")
    events.say(
        "shard-committed",
        "shard {shard:05d} committed: {in} in, {out} out" + "".join(more) + ", {seconds:span}",
        shard=manifest.shard, seconds=_span(seconds), **number, salvaged=attempt.salvaged,
        samples_per_second=round(counts["in"] / seconds, 3) if seconds else None,
    )  # fmt: skip
    if diverged:
        events.say("commit-diverged", "shard {shard:05d} was committed by another attempt with "
                   "other bytes, which stand; see docs/runbooks/PalimpsestCommitDivergence.md",
                   level="warning", shard=manifest.shard)  # fmt: skip


def quarantined(found: Sequence[Rejected], shard: int) -> None:
    """An event a sample; those beyond `SHOWN` are one event together, counted by reason."""
    for one in found[:SHOWN]:
        detail = events.clean(one.detail, DETAIL)
        events.say(
            "sample-quarantined",
            "sample {sample} quarantined: {reason}" + (" ({detail})" if detail else ""),
            shard=shard, sample=one.key, reason=one.reason, detail=detail,
        )  # fmt: skip
    if rest := Numbers(Counter(one.reason for one in found[SHOWN:])):
        events.say("samples-quarantined", "and {more} more samples of shard {shard:05d} "
                   "quarantined: {reasons}", shard=shard, more=sum(rest.values()),
                   reasons=rest)  # fmt: skip


class Progress:
    """Counts samples over the whole partition; skipped shards count as done."""

    def __init__(self, context: Context) -> None:
        self.context, self.shards = context, len(context.shards)
        self._left = self.shards - context.already
        self._done_shards = self._started = self._committed = 0
        self._counts: Counter[str] = Counter()
        self._shard = self._samples = self._in_shard = self._seen = self._worked = 0
        self._taken = 0
        self._begun = self._shard_begun = time.monotonic()
        self._pulse, self._told = Pulse(), Told()

    def shard_skipped(self, shard: int) -> None:
        self._done_shards += 1
        self._tell(force=True)

    def model_loaded(self, model: str, seconds: float) -> None:
        """`model` is its digest, "" of a job without one."""
        if model:
            events.say("model-loaded", "model {model} loaded in {seconds:span}",
                       model=model, seconds=_span(seconds))  # fmt: skip

    def shard_started(self, shard: int, samples: int) -> None:
        self._shard, self._samples, self._in_shard, self._taken = shard, 0, samples, 0
        self._started += 1
        self._seen += samples
        self._left = max(self._left - 1, 0)
        self._shard_begun, self._pulse = time.monotonic(), Pulse()

    def advance(self, samples: int) -> None:
        self._samples += samples
        self._worked += samples
        self._tell()
        if self._samples < self._in_shard and self._pulse.due():
            self._say()

    def taken_over(self, samples: int) -> None:
        """They were finished by an attempt that was killed, and cost next to no time."""
        self._samples += samples
        self._taken += samples
        self._shard_begun = time.monotonic()
        self._tell()

    def _say(self) -> None:
        """How far this shard is, at the rate of its own samples; the shards after it count as much
        as those so far, on average."""
        rate = (self._samples - self._taken) / max(time.monotonic() - self._shard_begun, 1e-9)
        to_go = (self._in_shard - self._samples) / rate
        after = self._left * self._seen / self._started / rate
        events.say(
            "progress", "shard {shard:05d}: {done} of {samples} samples, {samples_per_second:.2g} "
            "samples/s, {seconds_to_go:span} to go, {partition_seconds_to_go:span} with the "
            "{shards_left} after it",
            shard=self._shard, done=self._samples, samples=self._in_shard,
            samples_per_second=round(rate, 4), seconds_to_go=_span(to_go),
            partition_seconds_to_go=_span(to_go + after), shards_left=self._left,
        )  # fmt: skip

    def cut(self, cuts: int) -> None:
        """A batch did not fit into the device's memory."""
        if cuts:
            events.say("batch-cut", "the device was full, the batch was cut smaller {cuts} times: "
                       "lower editing.batch in the next run, or choose a device with more memory",
                       level="warning", cuts=cuts)  # fmt: skip

    def shard_done(self, manifest: Manifest, diverged: bool = False) -> None:
        self._done_shards += 1
        self._committed += 1
        self._counts += manifest.counts()
        committed(manifest, diverged)
        self._samples = self._in_shard = 0
        self._tell(force=True)

    def finished(self) -> None:
        finished(self.context, self._counts, self._committed, time.monotonic() - self._begun)

    def _tell(self, force: bool = False) -> None:
        """`N/M` in thousandths of a shard."""
        share = self._samples / self._in_shard if self._in_shard else 0.0
        self._told.tell(round(1000 * (self._done_shards + share)), max(1, 1000 * self.shards),
                        self._worked, force)  # fmt: skip


def _span(seconds: float) -> Span:
    return Span(round(seconds, 3))
