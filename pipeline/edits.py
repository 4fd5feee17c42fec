"""The columns of `edits.parquet`, one row an edit: defined once, for the writer and for the reader.

The text of a column is in the file's own schema (field metadata `description`) and in the dataset's
README, so neither can drift from what is written.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.cards import card
from pipeline.codecs import member
from pipeline.documents import Edit, Sample, Source

if TYPE_CHECKING:
    import pyarrow as pa

#: Name -> (Arrow type, what it says). Boxes are (x, y, width, height); `px` are pixels.
COLUMNS: dict[str, tuple[str, str]] = {
    "key": ("string", "the sample's key, eight digits"),
    "split": ("string", "train, val or filtered"),
    "tar": ("string", "the shard in this folder that holds the sample"),
    "image_member": ("string", "the finished picture, as a file in the shard"),
    "mask_member": ("string", "its label map, as a file in the shard"),
    "turns_member": ("string", "its map of turns, as a file in the shard"),
    "turn": ("int8", "when it was painted, 1 is first; a turn that failed leaves a gap"),
    "turns": ("int8", "how many edits the sample has"),
    "planned_turns": ("int8", "how many it was planned to have"),
    "family": ("string", "who painted"),
    "label": ("uint8", "the family's value in the label map"),
    "edit_type": ("string", "attribute, addition or removal; unknown of what was imported"),
    "object": ("string", "what was painted over"),
    "category": ("string", "the object's category"),
    "region_origin": ("string", "where the mask comes from: annotation, segmenter or imported"),
    "mask_area": ("double", "the mask's share of the picture, 0 to 1"),
    "bbox": ("list<int32>", "the box around the mask, px of the picture"),
    "changed": ("double", "the share of the mask's pixels that changed, 0 to 1"),
    "prompts": ("list<string>", "one a pass; an addition is removal, then addition"),
    "seeds": ("list<int64>", "one a pass"),
    "steps": ("int32", "denoising steps of a pass"),
    "guidance": ("double", "classifier-free guidance scale"),
    "composite": ("string", "paste: nothing outside the mask changed; full: the whole picture"),
    "model_digest": ("string", "of the weights that painted; empty without weights"),
    "model_licence": ("string", "of the family's published weights"),
    "notes": ("list<string>", "what was done otherwise than planned: vae-float32, batch-of-1"),
    "score": ("int8", "naturalness of the finished picture, 0 to 5; -1 if nobody was asked"),
    "score_reason": ("string", "what the judge said"),
    "score_control": ("int8", "of the unedited base by the same question; null if not asked"),
    "filtered_reason": ("string", "why the sample was set apart; null in train and val"),
    "base": ("string", "what lies beneath: real (a photograph), ai, or unknown if imported"),
    "base_family": ("string", "who made an ai base; null for a photograph"),
    "caption": ("string", "of the photograph; the prompt of an ai base"),
    "source_id": ("string", "the photograph; all samples of one lie in one split"),
    "source_file": ("string", "its file name; null for an ai base, as in all below"),
    "source_sha256": ("string", "of the file's bytes"),
    "source_licence": ("string", "as the source states it"),
    "source_author": ("string", "to be credited"),
    "source_url": ("string", "where it was published"),
    "source_size": ("list<int32>", "width and height, px of the photograph as displayed"),
    "source_crop": ("list<int32>", "the square that was used, px of the photograph as displayed"),
    "source_jpeg_quality": ("int16", "quality it was stored with; null if it was no JPEG"),
}
Box = tuple[int, int, int, int]


def rows(key: str, split: str, tar: str, sample: Sample, reason: str) -> Iterator[dict[str, Any]]:
    """One row for each edit of a sample; `reason` says why it was filtered ("" if it was not)."""
    about = {
        "key": key, "split": split, "tar": tar,
        "image_member": f"{key}.{member('image', 'Photo')}",
        "mask_member": f"{key}.{member('mask', 'LabelMap')}",
        "turns_member": f"{key}.{member('turns', 'LabelMap')}",
        "turns": len(sample.edits), "planned_turns": sample.planned,
        "score": sample.score.score, "score_reason": sample.score.reason,
        "score_control": sample.score.control, "filtered_reason": reason or None,
        **_source(sample.source),
    }  # fmt: skip
    for edit in sample.edits:
        row = about | _edit(edit, sample)
        yield {name: row[name] for name in COLUMNS}


def _edit(edit: Edit, sample: Sample) -> dict[str, Any]:
    region = sample.regions[edit.region]
    return {
        "turn": edit.turn, "family": edit.family, "label": edit.label, "edit_type": edit.edit,
        "object": region.name, "category": region.category, "region_origin": region.origin,
        "mask_area": edit.area, "bbox": _sized(region.box), "changed": edit.changed,
        "prompts": list(edit.prompts), "seeds": list(edit.seeds), "steps": edit.steps,
        "guidance": edit.guidance, "composite": edit.composite, "model_digest": edit.model,
        "model_licence": card("editors", edit.family).licence, "notes": list(edit.notes),
    }  # fmt: skip


def _source(source: Source) -> dict[str, Any]:
    known = {
        "source_file": source.file, "source_sha256": source.sha256,
        "source_licence": source.licence, "source_author": source.author, "source_url": source.url,
        "source_size": list(source.size), "source_crop": _sized(source.crop),
        "source_jpeg_quality": source.jpeg_quality,
    }  # fmt: skip
    photograph = source.base != "ai"
    return {
        "base": source.base, "base_family": source.family or None, "caption": source.caption,
        "source_id": source.source_id, **(known if photograph else dict.fromkeys(known)),
    }  # fmt: skip


def _sized(box: Box) -> list[int]:
    """(left, top, right, bottom) -> [x, y, width, height]."""
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]


def schema() -> pa.Schema:
    """The same in every run, a column may be all null."""
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        inner = name.removeprefix("list<").removesuffix(">")
        found = pa.type_for_alias(inner)
        return found if inner == name else pa.list_(found)

    return pa.schema([
        pa.field(name, kind(type_), metadata={"description": text})
        for name, (type_, text) in COLUMNS.items()
    ])  # fmt: skip


def table(found: Iterable[dict[str, Any]]) -> pa.Table:
    """Raises ValueError for a row with a column too many or too few."""
    import pyarrow as pa

    listed = list(found)
    for row in listed:
        if row.keys() != COLUMNS.keys():
            raise ValueError(f"columns of a row: {sorted(row.keys() ^ COLUMNS.keys())}")
    return pa.Table.from_pylist(listed, schema())


def parquet(tables: Iterable[pa.Table]) -> bytes:
    """One file. The same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.concat_tables([schema().empty_table(), *tables]).combine_chunks(), out)
    return out.getvalue()
