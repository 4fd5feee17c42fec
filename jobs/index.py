"""Audit the dataset, then commit its index: one row per edit, and the dataset's digest.

    in    the three splits, the photographs that nobody edited; every manifest above them
    out   index.json (IndexFacts), edits.parquet
    run   python -m jobs.index --run runs/demo

Training reads the dataset only once this stands. A dataset that does not add up gets no index, nor
does one with nothing to train on.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import dag, edits, events, progress
from pipeline.audit import Audit, audit, dataset_digest
from pipeline.balance import Tally
from pipeline.clock import Clock
from pipeline.config import Config
from pipeline.datacard import SPLITS
from pipeline.documents import Credit, IndexFacts, Real, Sample, Share, Source
from pipeline.errors import CorruptData, InputError, NotReady, guard
from pipeline.loop import publish
from pipeline.meter import Meter
from pipeline.publish import tar_name
from pipeline.records import Indexed, Planned, ToPlan
from pipeline.shards import RunFolder, join
from pipeline.stage import Context, context
from pipeline.summary import declined, listed

#: What tells what was planned.
PLANNED = ("ingest", "segment", "plan")
#: What the pictures of an imported dataset are credited as; nothing is known of each.
IMPORTED = "the pictures of an imported dataset"
REPLIES = "look at the replies in the stage's manifests, or choose another vlm"
#: What to change about a reason that took samples away; any other one is the photographs' fault.
WAYS_OUT = {
    "low-score": "lower keep_score",
    "no-turns": "lower editing.min_changed, or look at the skipped turns in logs/",
    "no-regions": "widen regions.min_area and regions.max_area",
    "unparsable-proposal": REPLIES,
    "unparsable-prompt": REPLIES,
    "unparsable-score": REPLIES,
    "unusable-mask": "make families name the values of the masks",
}


def planned(config: Config) -> tuple[str, ...]:
    """The datasets that tell what was planned; of an imported dataset, what there was."""
    return PLANNED[:1] if config.imported else PLANNED


def _samples(run: RunFolder, split: str, shard: int) -> Iterator[tuple[str, Sample]]:
    for key, row in join(run, (f"assemble-{split}",), shard).rows.items():
        yield key, row.get("sample", "Sample")


def gather(run: RunFolder, config: Config, tally: Tally) -> tuple[bytes, tuple[Credit, ...]]:
    """The parquet file, in order of split, shard, sample and turn; and the photographs used. What
    was planned and what is kept is counted by `tally`."""
    for shard in range(config.shards):
        for row in join(run, planned(config), shard).rows.values():
            if row.has(Planned):
                item: ToPlan = row.read(ToPlan)
                tally.plan(item.source, item.regions.regions, row.get("plan", "Plan"))
    tables, used = [], Counter[Credit]()
    for split in SPLITS:
        for shard in range(config.shards):
            scored = [] if config.imported else [run.manifest("score", shard)]
            apart = {item.key: item.reason for manifest in scored for item in manifest.rejected}
            found: list[dict[str, Any]] = []
            for key, sample in _samples(run, split, shard):
                reason = apart.get(key, "") if split == "filtered" else ""
                if split != "filtered":
                    tally.keep(sample)
                found += edits.rows(key, split, tar_name(split, shard), sample, reason)
                if sample.source.base != "ai":
                    used[_credit(sample.source)] += 1
            tables.append(edits.table(found))
    for real in unedited(run, config):
        used[_credit(real.source)] += 1
    ordered = sorted(used.items(), key=lambda item: (item[0].file, item[0].url))
    credits_ = tuple(one.model_copy(update={"samples": n}) for one, n in ordered)
    return edits.parquet(tables), credits_


def unedited(run: RunFolder, config: Config) -> Iterator[Real]:
    for shard in range(config.real_shards):
        for row in join(run, ("reals",), shard).rows.values():
            yield row.get("real", "Real")


def _credit(source: Source) -> Credit:
    file = IMPORTED if source.base == "unknown" else source.file
    return Credit(file=file, licence=source.licence, author=source.author, url=source.url,
                  samples=0)  # fmt: skip


def check(found: Audit, samples: Mapping[str, int], config: Config) -> None:
    """Whether there is a dataset to index: `NotReady`, `CorruptData`, or `InputError` with what to
    change if not one sample may be trained on."""
    if found.missing:
        raise NotReady(f"the dataset is not complete: {found.missing[0]}")
    if found.faults:
        raise CorruptData(f"the dataset does not add up: {found.faults[0]}")
    if not samples["train"] + samples["val"]:
        reasons = declined(found)
        most = max(reasons, key=lambda reason: reasons[reason], default="")
        way = WAYS_OUT.get(most, "give photographs that can be used with --photos")
        raise InputError(
            f"nothing is left to train on: all of the {config.samples} planned samples were "
            f"declined ({listed(reasons)}); {way}, and begin anew with another --out (those that "
            "were filtered lie in shards/assemble-filtered)"
        )


def facts(
    config: Config, found: Audit, digest: str, shards: dict[str, tuple[str, ...]],
    samples: dict[str, int], sources: tuple[Credit, ...], balance: tuple[Share, ...],
    reals: dict[str, int],
) -> IndexFacts:  # fmt: skip
    """Nothing of this machine, and nothing that the dataset does not depend on."""
    made = config.model_dump(
        mode="json", exclude={"photos": True, "local": True, "detectors": True, "protocols": True,
                              "holdouts": True,
                              "editing": {"folder"}, "imported": {"path"}})  # fmt: skip
    labels = dict(sorted(config.families.items(), key=lambda item: item[1]))
    return IndexFacts(
        digest=digest, shards=shards, samples=samples, reals=reals, profile=config.profile,
        weights=config.editing.weights, labels=labels, planned=config.samples,
        declined=declined(found), sources=sources, config=made, balance=balance,
    )  # fmt: skip


def above(config: Config) -> frozenset[str]:
    """The stages that the index stands on; turns that are painted again are none of them."""
    reads = {stage.name: stage.reads for stage in dag.dag(config)}
    found, left = set[str](), ["index"]
    while left:
        new = set(reads[left.pop()]) - found
        found |= new
        left += new
    return frozenset(found)


def index(here: Context, clock: Clock) -> tuple[Indexed, dict[str, str]]:
    """The index, and the tar digest of every shard it speaks of, each read to the last byte."""
    run, config = here.run, here.config
    with clock.phase("audit"):
        found = audit(run.path, above(config))
    samples = {split: found.stages[f"assemble-{split}"].out for split in SPLITS}
    check(found, samples, config)
    with clock.phase("verify"):
        digest, shards = dataset_digest(run, config)
        datasets = {name: f"assemble-{name}" if name in SPLITS else name for name in shards}
        for name, found_ in shards.items():
            for shard in range(len(found_)):
                run.verify(run.manifest(datasets[name], shard))
    parents = {
        f"{datasets[name]}/{i:05d}": sha for name in shards for i, sha in enumerate(shards[name])
    } | {
        f"{name}/{i:05d}": run.manifest(name, i).sha256
        for name in (*planned(config), *(() if config.imported else ("score",)))
        for i in range(config.shards)
    }
    with clock.phase("read"):
        table, sources = gather(run, config, tally := Tally(config))
        reals = Counter(f"{real.part}-{real.source.split}" for real in unedited(run, config))
    known = facts(config, found, digest, shards, samples, sources, tally.shares(),
                  dict(sorted(reals.items())))  # fmt: skip
    return Indexed(known, table), parents


def main(argv: list[str]) -> int:
    here = context("jobs.index", argv)
    if here.run.committed("index", 0):
        progress.nothing_to_do(here)
        return 0
    clock = Clock(Meter(here))
    indexed, parents = index(here, clock)
    events.say("indexed", "{samples}, dataset digest {digest}",
               samples=events.Numbers(indexed.index.samples),
               digest=indexed.index.digest)  # fmt: skip
    publish(here, {"index": indexed}, ["index"], parents, clock)
    return 0


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
