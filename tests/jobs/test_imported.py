"""The published dataset becomes a run: every pixel, every label, and nothing that is not known."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from jobs import imported, imported_pairs
from pipeline import audit, config, local, released, runs
from pipeline.config import Config
from pipeline.documents import Sample, Source
from pipeline.errors import ConfigError, InputError
from pipeline.shards import RunFolder, join
from tests.jobs.here import Here
from tests.jobs.published import Pairs, mask, pairs, parquet, picture, png, zipped

EIGHT = {name: label for label, name in enumerate(
    ("sd2", "sd35", "sdxl", "flux", "glide", "kolors", "hunyuan", "kandinsky"), 1)}  # fmt: skip


def chosen(**changes: object) -> Config:
    return Config.model_validate({
        "profile": "published", "families": EIGHT, "shard_size": 8, "val_share": 0.25,
        "imported": {"dataset": "diffseg30k"}, "local": {"partitions": 1}, **changes})  # fmt: skip


def take(path: Path, out: Path, **changes: object) -> RunFolder:
    """Import the archive at `path`, stage by stage in this process."""
    known = released.filled(chosen(**changes), path)
    run = runs.begin(known, None, out)[1]
    assert imported.main([f"--run={out}"]) == 0
    for split in ("train", "val", "filtered"):
        assert imported.main(["--split", split, f"--run={out}"]) == 0
    return run


def samples(run: RunFolder, split: str) -> dict[str, Sample]:
    """By the name that the pair had."""
    shards = len(list((run.datasets / f"assemble-{split}").glob("*.json")))
    rows = [row for i in range(shards)
            for row in join(run, (f"assemble-{split}",), i).rows.values()]  # fmt: skip
    found = [row.get("sample", "Sample") for row in rows]
    return {sample.source.file.rpartition("/")[2]: sample for sample in found}


def refused(run: RunFolder, stage: str = "assemble-train") -> dict[str, str]:
    """Reason by detail."""
    manifests = [run.manifest(stage, int(path.stem))
                 for path in sorted((run.datasets / stage).glob("*.json"))]  # fmt: skip
    return {item.detail: item.reason for manifest in manifests for item in manifest.rejected}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads and decodes works in this process; apart it does in `whole` and its own tests."""
    monkeypatch.setattr(imported, "Apart", Here)
    monkeypatch.setattr(released, "Apart", Here)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of a folder with both splits as zips, through the executor, up to the index."""
    folder = tmp_path_factory.mktemp("published")
    zipped(folder / "train.zip", pairs(0, 20))
    zipped(folder / "validation.zip", pairs(100, 5), "validation_copy")
    out = tmp_path_factory.mktemp("run") / "run"
    known = released.filled(chosen(), folder)
    assert local.run(known, None, out, until="index") == 0
    return RunFolder(out)


def test_every_pixel_and_label_is_kept(whole: RunFolder) -> None:
    for split, first, count in (("train", 0, 20), ("val", 100, 5)):
        name = f"assemble-{split}"
        rows = {key: row for shard in range(4)
                for key, row in join(whole, (name,), shard).rows.items()}  # fmt: skip
        assert len(rows) == count
        for number, row in enumerate(rows.values(), first):
            assert row.get("sample", "Sample").source.file.endswith(f"{number:08d}")
            assert np.array_equal(row.get("image", "Photo"), picture(number))
            assert np.array_equal(row.get("mask", "LabelMap"), mask(number))


def test_a_family_in_the_mask_is_an_edit_and_an_empty_mask_is_none(whole: RunFolder) -> None:
    for name, sample in samples(whole, "train").items():
        labels = [int(value) for value in np.unique(mask(int(name))) if value]
        assert [edit.label for edit in sample.edits] == labels
        assert [EIGHT[edit.family] for edit in sample.edits] == labels
        for edit, region in zip(sample.edits, sample.regions, strict=True):
            plane = mask(int(name)) == edit.label
            left, top, right, bottom = region.box
            assert plane[top:bottom, left:right].sum() == plane.sum() == round(edit.area * 25600)
            assert "turn-order-unknown" in edit.notes and edit.edit == "unknown"
    assert samples(whole, "train")["00000005"].edits == ()


def test_what_is_not_known_is_not_claimed(whole: RunFolder) -> None:
    sample = samples(whole, "val")["00000101"]
    assert (sample.source.base, sample.score.score) == ("unknown", -1)
    assert sample.source.size == (160, 160) and sample.source.mode == "RGB"
    assert sample.source.source_id == "val/validation.zip/validation_copy/00000101"


def test_the_run_is_audited_and_published_as_any_other(whole: RunFolder) -> None:
    above = frozenset(("ingest", "index", "assemble-train", "assemble-val", "assemble-filtered"))
    found = audit.audit(whole.path, above, verify=True)
    assert found.exit_code == 0 and len(found.digest) == 64
    assert found.stages["assemble-train"].out == 20 and found.stages["assemble-val"].out == 5
    table = pq.read_table(whole.path / "dataset" / "edits.parquet")
    assert set(table["edit_type"].to_pylist()) == {"unknown"}
    index = json.loads((whole.path / "dataset" / "index.json").read_text())
    assert index["samples"] == {"train": 20, "val": 5, "filtered": 0}
    assert [one["samples"] for one in index["sources"]] == [25]
    assert "path" not in index["config"]["imported"]
    assert "Imported, not painted here" in (whole.path / "dataset" / "README.md").read_text()
    assert "tiny" not in (whole.path / "dataset" / "README.md").read_text()


def test_the_same_pairs_make_the_same_samples_from_any_layout(tmp_path: Path) -> None:
    made: list[list[tuple[bytes, bytes]]] = []
    both = pairs(0, 9), pairs(50, 6)
    (tmp_path / "zips").mkdir()
    zipped(tmp_path / "zips" / "train.zip", both[0])
    zipped(tmp_path / "zips" / "val.zip", both[1], "images")
    for split, some in zip(("train", "validation"), both, strict=True):
        parquet(tmp_path / "tables" / "data" / f"{split}-00000-of-00001.parquet", some)
        folder = tmp_path / "loose" / f"{split}_copy"
        folder.mkdir(parents=True)
        for name, (image, labels) in some.items():
            (folder / f"{name}.image.png").write_bytes(image)
            (folder / f"{name}.mask.png").write_bytes(labels)
    for layout in ("zips", "tables", "loose"):
        run = take(tmp_path / layout, tmp_path / f"run-{layout}")
        rows = [row for split in ("train", "val") for shard in range(2)
                for row in join(run, (f"assemble-{split}",), shard).rows.values()]  # fmt: skip
        made.append([(row.raw("image.png") or b"", row.raw("mask.png") or b"") for row in rows])
        assert len(samples(run, "train")) == 9 and len(samples(run, "val")) == 6
    assert made[0] == made[1] == made[2]


def test_without_a_validation_split_one_is_cut_from_train(tmp_path: Path) -> None:
    path = zipped(tmp_path / "train.zip", pairs(0, 16))
    one = released.pairs(released.filled(chosen(), path))
    assert [pair.split for pair in one] == ["train"] * 12 + ["val"] * 4
    assert one == released.pairs(released.filled(chosen(), path))
    other = released.pairs(released.filled(chosen(seed=31), path))
    assert {pair.id for pair in one[12:]} != {pair.id for pair in other[12:]}


@pytest.mark.parametrize(("height", "width"), [(160, 240), (333, 160), (1024, 700)])
def test_pictures_keep_their_size_square_or_not(height: int, width: int, tmp_path: Path) -> None:
    path = zipped(tmp_path / "train.zip", pairs(1, 2, height, width))
    run = take(path, tmp_path / "run")
    rows = [*join(run, ("assemble-train",), 0).rows.values(),
            *join(run, ("assemble-val",), 0).rows.values()]  # fmt: skip
    for row in rows:
        source = row.get("sample", "Sample").source
        number = int(source.file[-8:])
        assert source.size == (width, height)
        assert row.get("image", "Photo").shape == (height, width, 3)
        assert np.array_equal(row.get("mask", "LabelMap"), mask(number, height, width))


def odd(name: str) -> tuple[bytes, bytes]:
    """A pair with something wrong."""
    image, labels = picture(1), mask(1)
    wrong = labels.copy()
    wrong[5, 5] = 9
    header = struct.pack(">IIBBBBB", 60000, 60000, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b""))
    return {
        "ids": (png(image), png(wrong)),
        "size": (png(image), png(labels[:100])),
        "turned": (png(picture(1, 160, 200)), png(mask(1, 200, 160))),
        "colour": (png(image), png(image)),
        "cut": (png(image)[:-500], png(labels)),
        "cut mask": (png(image), png(labels)[:-30]),
        "empty": (b"", png(labels)),
        "text": (b"no picture", png(labels)),
        "bomb": (bomb, png(labels)),
        "tiny": (png(image[:30, :30]), png(labels[:30, :30])),
    }[name]


def _chunk(name: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + crc


ODD = [
    ("ids", "unusable-mask", "the mask holds 9, which is the label of no family (1 to 8)"),
    ("size", "wrong-size", "the mask is 160 x 100, the picture 160 x 160 pixels"),
    ("turned", "wrong-size", "the mask is 160 x 200, the picture 200 x 160 pixels"),
    ("colour", "unusable-mask", "the mask is of mode RGB, not one channel"),
    ("cut", "truncated-image", "broken"),
    ("cut mask", "truncated-image", "broken"),
    ("empty", "unreadable-image", "broken (UnidentifiedImageError"),
    ("text", "unreadable-image", "broken (UnidentifiedImageError"),
    ("bomb", "image-too-large", "60000 x 60000 pixels"),
    ("tiny", "image-too-small", "30 x 30 pixels"),
]  # fmt: skip


@pytest.mark.parametrize("layout", ["zip", "parquet"])
def test_a_bad_pair_costs_itself_and_says_why(layout: str, tmp_path: Path) -> None:
    bad: Pairs = {f"{50 + i:08d}": odd(name) for i, (name, _, _) in enumerate(ODD)}
    some = {**pairs(0, 4), **bad, **pairs(90, 3)}
    if layout == "zip":
        zipped(tmp_path / "train.zip", some)
        zipped(tmp_path / "val.zip", pairs(200, 1), "val_copy")
    else:
        parquet(tmp_path / "train-00000-of-00001.parquet", some)
        parquet(tmp_path / "validation-00000-of-00001.parquet", pairs(200, 1))
    archives = tmp_path / "archives"
    archives.mkdir()
    for path in tmp_path.glob("*.*"):
        shutil.move(path, archives)
    run = take(archives, tmp_path / "run")
    assert len(samples(run, "train")) == 7
    found = refused(run)
    assert len(found) == len(ODD)
    for (detail, reason), (_, wanted, says) in zip(found.items(), ODD, strict=True):
        assert reason == wanted and says in detail and "train" in detail


def test_a_pair_without_its_mask_is_missed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "train.zip", pairs(0, 3))
    with zipfile.ZipFile(path, "a") as out:
        out.writestr("train_copy/00000009.image.png", png(picture(9)))
        out.writestr("train_copy/notes.txt", "no pair")
        out.writestr("train_copy/9.mask.png", "no pair either")
    run = take(path, tmp_path / "run")
    said = {"train.zip/train_copy/00000009 has no mask": "missing-file"}
    assert refused(run, "ingest") == said
    assert len(samples(run, "train")) + len(samples(run, "val")) == 3


def test_damage_inside_a_zip_costs_the_pair(tmp_path: Path) -> None:
    path = zipped(tmp_path / "train.zip", pairs(0, 6))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as opened:
        at = opened.getinfo("train_copy/00000002.image.png").header_offset
    data[at + 200] ^= 0xFF
    path.write_bytes(data)
    run = take(path, tmp_path / "run")
    bad = {**refused(run), **refused(run, "assemble-val")}
    assert list(bad.values()) == ["unreadable-image"] and "00000002" in next(iter(bad))


def test_damage_inside_a_parquet_file_costs_no_more_than_its_group(tmp_path: Path) -> None:
    path = parquet(tmp_path / "train-0.parquet", pairs(0, 24), group=8)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset : chunk.data_page_offset + 12] = bytes(12)  # a page's own header
    path.write_bytes(data)
    run = take(path, tmp_path / "run")
    kept = samples(run, "train").keys() | samples(run, "val").keys()
    assert {int(name) for name in kept} == {*range(8), *range(16, 24)}


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("train.zip", b"PK, but no more", "train.zip is no whole zip file"),
        ("train.parquet", b"PAR1 nothing", "train.parquet is no whole parquet file"),
        ("train.tar", b"", "holds no pair NNNNNNNN.image.png"),
    ],
)
def test_an_archive_that_is_none_is_named(
    name: str, data: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=says):
        released.filled(chosen(), tmp_path / name)


def test_a_zip_cut_short_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "train.zip", pairs(0, 2))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"train.zip is no whole zip file .*: fetch it again"):
        released.filled(chosen(), path)


def test_a_table_with_other_columns_is_named(tmp_path: Path) -> None:
    path = parquet(tmp_path / "train.parquet", pairs(0, 2))
    pq.write_table(pq.read_table(path).rename_columns(["image", "label"]), path)
    with pytest.raises(InputError, match="has no column mask .it has image, label."):
        released.filled(chosen(), path)


def test_an_archive_that_changed_is_not_mixed_in(tmp_path: Path) -> None:
    path = zipped(tmp_path / "train.zip", pairs(0, 6))
    known = released.filled(chosen(), path)
    runs.begin(known, None, tmp_path / "run")
    assert imported.main([f"--run={tmp_path / 'run'}"]) == 0
    zipped(path, pairs(1, 6, 170))
    with pytest.raises(InputError, match="is not the one that the run in"):
        imported.main(["--split", "train", f"--run={tmp_path / 'run'}"])
    with pytest.raises(InputError, match="the archive is not the one"):
        runs.begin(known, None, tmp_path / "run")


def test_the_archive_may_not_lie_in_the_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = zipped(tmp_path / "run" / "train.zip", pairs(0, 2))
    with pytest.raises(InputError, match="give another|lie in"):
        runs.begin(released.filled(chosen(), path), None, tmp_path / "run")


def test_a_profile_that_imports_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the section imported"):
        released.filled(config.load("demo"), tmp_path)
    with pytest.raises(ConfigError, match="replays: an imported dataset has no turns"):
        text = "families: {sdxl: 3}\nimported: {dataset: diffseg30k}\nreplays: {sdxl_lora: sdxl}"
        config.parse(text, "mine.yaml")


def test_reals_want_photographs(tmp_path: Path) -> None:
    path = zipped(tmp_path / "train.zip", pairs(0, 2))
    known = released.filled(chosen(reals={"negatives": 4}), path)
    with pytest.raises(InputError, match="reals are taken from photographs.*--photos"):
        runs.begin(known, None, tmp_path / "run")


def test_the_class_order_is_a_table(tmp_path: Path) -> None:
    """Other names for the same values change names and no pixel; the digest knows."""
    path = zipped(tmp_path / "train.zip", pairs(0, 4))
    turned = {name: 9 - label for name, label in EIGHT.items()}
    runs_ = [take(path, tmp_path / str(i), families=f) for i, f in enumerate((EIGHT, turned))]
    for one, other in zip(*(samples(run, "train").values() for run in runs_), strict=True):
        assert [turned[e.family] for e in other.edits] == [EIGHT[e.family] for e in one.edits]
    masks = [[row.raw("mask.png") for row in join(run, ("assemble-train",), 0).rows.values()]
             for run in runs_]  # fmt: skip
    assert masks[0] == masks[1]
    assert chosen().digest() != chosen(families=turned).digest()


def test_rows_are_read_going_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parquet file is opened once for a whole pass over its rows, not once a row."""
    path = parquet(tmp_path / "train.parquet", pairs(0, 20), group=5)
    opened: list[int] = []
    real: Callable[..., object] = imported_pairs._rows

    def rows(file: Path, number: int) -> object:
        opened.append(number)
        return real(file, number)

    monkeypatch.setattr(imported_pairs, "_rows", rows)
    archive = imported_pairs.Archive(path)
    every = [archive.read(released.Pair(path.name, str(i), "train")) for i in (0, 1, 4, 12, 19)]
    assert opened == [0]
    assert every[3][0] == png(picture(12))
    assert archive.read(released.Pair(path.name, "3", "train"))[1] == png(mask(3))
    assert opened == [0, 3]


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 8))
)
def test_edits_and_turns_are_a_reading_of_the_mask_and_nothing_more(
    labels: NDArray[np.uint8],
) -> None:
    image = np.zeros((*labels.shape, 3), np.uint8)
    source = Source(source_id="a", split="train", base="unknown")
    made = imported.assembled(chosen(), image, labels, source)
    edits = made.sample.edits
    table = np.array([0, *(edit.label for edit in edits)], np.uint8)
    assert np.array_equal(table[made.turns], labels) and made.mask is labels
    assert [edit.turn for edit in edits] == list(range(1, len(edits) + 1))
    assert sum(edit.area for edit in edits) == pytest.approx((labels > 0).mean())
    assert len(made.sample.regions) == len(edits) == len(np.unique(labels[labels > 0]))
