"""Audit the dataset, then commit its index: one row per edit, and the dataset's digest.

    in    the three splits; every manifest above them
    out   index.json (IndexFacts), edits.parquet
    run   python -m jobs.index --run runs/demo

Training reads the dataset only once this stands. A dataset that does not add up gets no index.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

from pipeline import dag
from pipeline.audit import audit, dataset_digest
from pipeline.cards import card
from pipeline.config import Config
from pipeline.documents import IndexFacts, Sample
from pipeline.errors import CorruptData, NotReady, guard
from pipeline.loop import Clock, publish
from pipeline.records import Indexed
from pipeline.shards import RunFolder, join
from pipeline.stage import context

SPLITS = ("train", "val", "filtered")
#: The columns of edits.parquet and their types, alike in every run (a column may be all null).
SCHEMA = {
    "key": "string", "split": "string", "shard": "int32", "turn": "int8", "turns": "int8",
    "family": "string", "label": "uint8", "edit": "string", "object": "string",
    "category": "string", "mask_area": "float64", "changed": "float64", "prompt": "string",
    "passes": "int8", "seed": "int64", "steps": "int32", "guidance": "float64",
    "composite": "string", "model": "string", "model_licence": "string", "base": "string",
    "base_family": "string", "source_id": "string", "source_file": "string",
    "source_licence": "string", "source_jpeg_quality": "int16", "score": "int8",
}  # fmt: skip


def rows(run: RunFolder, config: Config) -> Iterator[dict[str, Any]]:
    """One row per edit, in order of split, shard, sample and turn."""
    for split in SPLITS:
        for shard in range(config.shards):
            for key, row in join(run, (f"assemble-{split}",), shard).rows.items():
                yield from _edits(key, split, shard, row.get("sample", "Sample"))


def _edits(key: str, split: str, shard: int, sample: Sample) -> Iterator[dict[str, Any]]:
    source = sample.source
    for edit in sample.edits:
        region = sample.regions[edit.region]
        facts = card("editors", edit.family)
        yield {
            "key": key, "split": split, "shard": shard, "turn": edit.turn,
            "turns": len(sample.edits), "family": edit.family, "label": edit.label,
            "edit": edit.edit, "object": region.name, "category": region.category,
            "mask_area": edit.area, "changed": edit.changed, "prompt": edit.prompts[-1],
            "passes": len(edit.prompts), "seed": edit.seeds[-1], "steps": edit.steps,
            "guidance": edit.guidance, "composite": edit.composite, "model": edit.model,
            "model_licence": facts.licence, "base": source.base, "base_family": source.family,
            "source_id": source.source_id, "source_file": source.file,
            "source_licence": source.licence, "source_jpeg_quality": source.jpeg_quality,
            "score": sample.score.score,
        }  # fmt: skip


def parquet(found: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in SCHEMA.items()])
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(found, schema), out)
    return out.getvalue()


def main(argv: list[str]) -> int:
    here = context("jobs.index", argv)
    if here.run.committed("index", 0):
        return 0
    clock = Clock()
    above = [stage.name for stage in dag.dag(here.config) if stage.scope == "shard"]
    with clock.phase("audit"):
        found = audit(here.run.path, frozenset(above))
    if found.missing:
        raise NotReady(f"the dataset is not complete: {found.missing[0]}")
    if found.faults:
        raise CorruptData(f"the dataset does not add up: {found.faults[0]}")
    digest, shards = dataset_digest(here.run, here.config)
    samples = {split: found.stages[f"assemble-{split}"].out for split in SPLITS}
    parents = {
        f"assemble-{split}/{i:05d}": sha for split in SPLITS for i, sha in enumerate(shards[split])
    }
    edits = parquet(list(rows(here.run, here.config)))
    facts = IndexFacts(digest=digest, shards=shards, samples=samples)
    publish(here, {"index": Indexed(facts, edits)}, ["index"], parents, clock)
    print(f"index: {samples}, dataset digest {digest}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
