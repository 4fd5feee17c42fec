"""One row an edit, in a table that any parquet reader takes."""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import edits
from pipeline.documents import Edit, Region, Sample, Score, Source

NASTY = 'She said: "no, it\'s\n\ta\r\n; DROP -- ☃ 写真 \\n", \u202eevil, \0'
LARGEST = (1 << 63) - 1


def edit(turn: int, **changes: Any) -> Edit:
    facts = {
        "turn": turn, "region": turn - 1, "family": "clone", "label": 1, "edit": "addition",
        "prompts": ("first", NASTY), "seeds": (1, LARGEST), "steps": 30, "guidance": 7.5,
        "composite": "paste", "changed": 0.5, "area": 0.25, "model": "abc",
        "notes": ("batch-of-1",),
    } | changes  # fmt: skip
    return Edit.model_validate(facts)


def sample(painted: Sequence[Edit], **source: Any) -> Sample:
    regions = tuple(
        Region(name=name, category="animals", area=0.25, box=(3, 4, 13, 24), origin="annotation")
        for name in (NASTY, "cat")
    )
    known = {"source_id": "7", "split": "val", "base": "real", "file": NASTY, "licence": "CC BY",
             "author": "A. N. Other", "url": "https://example.org/7", "sha256": "5ha",
             "size": (640, 480), "crop": (80, 0, 560, 480), "jpeg_quality": 90,
             "caption": "a cat"}  # fmt: skip
    return Sample(source=Source.model_validate(known | source), regions=regions, planned=3,
                  edits=tuple(painted), score=Score(score=4, reason="fits", control=2))  # fmt: skip


def table(*samples: Sample, reason: str = "") -> pa.Table:
    rows = [row for i, one in enumerate(samples)
            for row in edits.rows(f"{i:08d}", "val", "val-00002.tar", one, reason)]  # fmt: skip
    return pq.read_table(io.BytesIO(edits.parquet([edits.table(rows)])))


def test_there_is_a_row_for_every_edit() -> None:
    rows = table(sample([edit(1), edit(2)]), sample([]), sample([edit(2)])).to_pylist()
    assert [(row["key"], row["turn"], row["turns"]) for row in rows] == [
        ("00000000", 1, 2), ("00000000", 2, 2), ("00000002", 2, 1),
    ]  # fmt: skip
    assert [row["object"] for row in rows] == [NASTY, "cat", "cat"]


def test_a_row_says_all_that_is_known_of_the_edit() -> None:
    (row,) = table(sample([edit(1)])).to_pylist()
    assert row == {
        "key": "00000000", "split": "val", "tar": "val-00002.tar",
        "image_member": "00000000.image.png", "mask_member": "00000000.mask.png",
        "turns_member": "00000000.turns.png", "turn": 1, "turns": 1, "planned_turns": 3,
        "family": "clone", "label": 1, "edit_type": "addition", "object": NASTY,
        "category": "animals", "region_origin": "annotation", "mask_area": 0.25,
        "bbox": [3, 4, 10, 20], "changed": 0.5, "prompts": ["first", NASTY],
        "seeds": [1, LARGEST], "steps": 30, "guidance": 7.5, "composite": "paste",
        "model_digest": "abc", "model_licence": row["model_licence"], "notes": ["batch-of-1"],
        "score": 4, "score_reason": "fits", "score_control": 2, "filtered_reason": None,
        "base": "real", "base_family": None, "caption": "a cat", "source_id": "7",
        "source_file": NASTY, "source_sha256": "5ha",
        "source_licence": "CC BY", "source_author": "A. N. Other",
        "source_url": "https://example.org/7", "source_size": [640, 480],
        "source_crop": [80, 0, 480, 480], "source_jpeg_quality": 90,
    }  # fmt: skip
    assert row["model_licence"]


def test_what_a_made_picture_has_no_source_for_is_null() -> None:
    (row,) = table(sample([edit(1)], base="ai", family="heal")).to_pylist()
    assert (row["base"], row["base_family"], row["source_id"]) == ("ai", "heal", "7")
    empty = [name for name in row if name.startswith("source_") and row[name] is None]
    assert len(empty) == 8 and "source_crop" in empty and "source_licence" in empty


def test_a_base_that_was_not_judged_has_no_control() -> None:
    plain = sample([edit(1, notes=())])
    asked = plain.model_copy(update={"score": Score(score=4)})
    (row,) = table(asked).to_pylist()
    assert row["score_control"] is None and row["notes"] == []


def test_a_filtered_row_says_why() -> None:
    (row,) = table(sample([edit(1)]), reason="low-score").to_pylist()
    assert row["filtered_reason"] == "low-score"


def test_the_columns_are_the_same_without_any_row_or_value() -> None:
    full, bare, empty = table(sample([edit(1)])), table(sample([edit(1)], base="ai")), table()
    assert full.schema == bare.schema == empty.schema and empty.num_rows == 0
    assert full.schema.names == list(edits.COLUMNS)
    assert pa.types.is_integer(full.schema.field("seeds").type.value_type)


def test_the_file_explains_its_own_columns() -> None:
    for field in table().schema:
        assert field.metadata[b"description"].decode() == edits.COLUMNS[field.name][1]


def test_a_row_of_other_columns_is_refused() -> None:
    (row,) = edits.rows("00000000", "val", "val-00000.tar", sample([edit(1)]), "")
    with pytest.raises(ValueError, match="surprise"):
        edits.table([row | {"surprise": 1}])
    del row["seeds"]
    with pytest.raises(ValueError, match="seeds"):
        edits.table([row])


def test_equal_rows_are_equal_bytes_however_they_are_cut() -> None:
    rows = list(edits.rows("00000000", "val", "t", sample([edit(1), edit(2)]), ""))
    whole = edits.parquet([edits.table(rows)])
    assert whole == edits.parquet([edits.table(rows[:1]), edits.table([]), edits.table(rows[1:])])
