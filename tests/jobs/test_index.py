"""One row an edit, in a table that any parquet reader takes."""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.index import SCHEMA, _edits, parquet
from pipeline.documents import Edit, Region, Sample, Score, Source

NASTY = 'She said: "no, it\'s\n\ta\r\n; DROP -- ☃ 写真 \\n", \u202eevil, \0'


def edit(turn: int, **changes: Any) -> Edit:
    facts = {
        "turn": turn, "region": turn - 1, "family": "clone", "label": 1, "edit": "removal",
        "prompts": ("first", NASTY), "seeds": (1, (1 << 63) - 1), "steps": 30, "guidance": 7.5,
        "composite": "paste", "changed": 0.5, "area": 0.25, "model": "abc",
    } | changes  # fmt: skip
    return Edit.model_validate(facts)


def sample(edits: Sequence[Edit], quality: int | None = 90) -> Sample:
    regions = tuple(
        Region(name=name, category="animals", area=0.25, box=(0, 0, 1, 1), origin="annotation")
        for name in (NASTY, "cat")
    )
    source = Source(source_id="7", split="val", base="real", file=NASTY, licence="CC0",
                    jpeg_quality=quality)  # fmt: skip
    return Sample(source=source, regions=regions, planned=3, edits=tuple(edits),
                  score=Score(score=4))  # fmt: skip


def table(*samples: Sample) -> pa.Table:
    rows = [row for i, one in enumerate(samples) for row in _edits(f"{i:08d}", "val", 2, one)]
    return pq.read_table(io.BytesIO(parquet(rows)))


def test_there_is_a_row_for_every_edit() -> None:
    rows = table(sample([edit(1), edit(2)]), sample([]), sample([edit(2)])).to_pylist()
    assert [(row["key"], row["turn"], row["turns"]) for row in rows] == [
        ("00000000", 1, 2), ("00000000", 2, 2), ("00000002", 2, 1),
    ]  # fmt: skip
    assert [row["object"] for row in rows] == [NASTY, "cat", "cat"]


def test_any_text_survives() -> None:
    (row,) = table(sample([edit(1)])).to_pylist()
    assert row["prompt"] == row["object"] == row["source_file"] == NASTY


def test_a_row_says_all_that_is_known_of_the_edit() -> None:
    (row,) = table(sample([edit(1)])).to_pylist()
    assert (row["split"], row["shard"], row["source_id"], row["score"]) == ("val", 2, "7", 4)
    assert (row["passes"], row["seed"], row["label"]) == (2, (1 << 63) - 1, 1)
    assert (row["mask_area"], row["changed"], row["guidance"]) == (0.25, 0.5, 7.5)
    assert (row["source_jpeg_quality"], row["model_licence"]) == (90, "Apache-2.0")
    assert list(row) == list(SCHEMA)


def test_the_columns_are_the_same_without_any_row_or_value() -> None:
    full, bare, empty = table(sample([edit(1)])), table(sample([edit(1)], None)), table()
    assert full.schema == bare.schema == empty.schema
    assert empty.num_rows == 0 and bare["source_jpeg_quality"].to_pylist() == [None]


def test_equal_rows_are_equal_bytes() -> None:
    rows = list(_edits("00000000", "val", 0, sample([edit(1), edit(2)])))
    assert parquet(rows) == parquet(rows)
