"""The commit protocol and the readers: nothing half-written is seen, nothing is overwritten."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.batches import members
from pipeline.documents import History, Source
from pipeline.errors import CorruptData, NotReady, PalimpsestError, TransientError
from pipeline.manifest import Manifest, Rejected, sealed, unsealed
from pipeline.records import Edited, Generated, Sourced, ToPropose
from pipeline.shards import RunFolder, join
from pipeline.writer import Writer

FACTS = {"config": "c", "code": "d", "model": "", "seeds": "s"}


def write(
    run: RunFolder, dataset: str, content: dict[str, dict[str, bytes]], shard: int = 0
) -> Manifest:
    with Writer(run, dataset, shard) as writer:
        for key, parts in content.items():
            writer.add(key, list(parts.items()))
        return writer.commit(list(content), [], {}, FACTS, {})


def test_a_shard_is_there_only_once_its_manifest_is(run: RunFolder) -> None:
    with pytest.raises(NotReady, match="edit has no shard 00000"):
        run.manifest("edit", 0)
    manifest = write(run, "edit", {"00000000": {"a.json": b"{}"}})
    assert run.manifest("edit", 0) == manifest
    assert manifest.tar == f"00000-{manifest.sha256[:16]}.tar"
    assert [path.name for path in (run.path / "staging").iterdir()] == []


def test_an_attempt_left_without_commit_leaves_nothing(run: RunFolder) -> None:
    with pytest.raises(RuntimeError), Writer(run, "edit", 0) as writer:
        writer.add("00000000", [("a.json", b"{}")])
        raise RuntimeError
    assert list((run.datasets / "edit").iterdir()) == []
    assert list((run.path / "staging").iterdir()) == []


def test_the_same_content_gives_the_same_bytes(run: RunFolder, tmp_path: Path) -> None:
    content = {f"{i:08d}": {"b.json": b"1" * i, "a.png": b"x" * 700} for i in range(3)}
    first = write(run, "one", content)
    again = write(run, "two", content)
    assert (first.sha256, first.records) == (again.sha256, again.records)


def test_the_first_writer_wins_for_ever(run: RunFolder) -> None:
    first = write(run, "edit", {"00000000": {"a.json": b"first"}})
    with Writer(run, "edit", 0) as late:
        late.add("00000000", [("a.json", b"late!")])
        assert late.commit(["00000000"], [], {}, FACTS, {}) == first
    assert join(run, ["edit"], 0).rows["00000000"].raw("a.json") == b"first"
    assert len(list((run.datasets / "edit").glob("*.tar"))) == 1, "the loser's bytes are nobody's"


def test_two_writers_of_the_same_bytes_agree(run: RunFolder) -> None:
    first = write(run, "edit", {"00000000": {"a.json": b"same"}})
    assert write(run, "edit", {"00000000": {"a.json": b"same"}}).attempt.id == first.attempt.id
    assert run.tar(first).exists()


# webdataset leaves the file to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_plain_webdataset_reads_a_shard(run: RunFolder) -> None:
    image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    record = Edited(image, History())
    with Writer(run, "edit", 0) as writer:
        for key in ("00000000", "00000001"):
            writer.add(key, members(record))
        manifest = writer.commit(["00000000", "00000001"], [], {}, FACTS, {})
    found = list(webdataset.WebDataset(str(run.tar(manifest)), shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in found] == ["00000000", "00000001"]
    assert (found[0]["image.png"] == image).all()
    assert found[1]["history.json"] == {"edits": []}


def test_the_last_layer_that_has_a_member_is_seen(run: RunFolder) -> None:
    write(run, "low", {"00000000": {"image.png": b"old", "source.json": b"s"}, "00000001": {}})
    write(run, "high", {"00000000": {"image.png": b"new"}})
    rows = join(run, ["low", "high"], 0).rows
    assert rows["00000000"].raw("image.png") == b"new"
    assert rows["00000000"].raw("source.json") == b"s"
    assert rows["00000001"].raw("image.png") is None


def test_a_row_knows_whether_it_has_what_a_record_requires(run: RunFolder) -> None:
    source = Source(source_id="a", split="train", base="real")
    image = np.zeros((8, 8, 3), np.uint8)
    with Writer(run, "ingest", 0) as writer:
        writer.add("00000000", members(Sourced(source)))
        writer.add("00000001", members(Sourced(source, image)))
        writer.commit(["00000000", "00000001"], [], {}, FACTS, {})
    rows = join(run, ["ingest"], 0).rows
    assert [row.has(ToPropose) for row in rows.values()] == [False, True]
    assert rows["00000001"].read(ToPropose).source == source


def test_every_flipped_byte_of_a_member_is_noticed(run: RunFolder) -> None:
    manifest = write(run, "edit", {"00000000": {"image.png": b"0123456789"}})
    tar, member = run.tar(manifest), manifest.records["00000000"][0]
    good = tar.read_bytes()
    for place in range(member.offset, member.offset + member.size):
        tar.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(CorruptData, match=r"00000000\.image\.png does not match its digest"):
            join(run, ["edit"], 0).rows["00000000"].raw("image.png")


@pytest.mark.parametrize("keep", [0, 511, 700])
def test_a_truncated_tar_is_noticed(run: RunFolder, keep: int) -> None:
    manifest = write(run, "edit", {"00000000": {"image.png": b"x" * 600}})
    run.tar(manifest).write_bytes(run.tar(manifest).read_bytes()[:keep])
    with pytest.raises(CorruptData):
        join(run, ["edit"], 0).rows["00000000"].raw("image.png")


def test_a_vanished_tar_is_named(run: RunFolder) -> None:
    manifest = write(run, "edit", {"00000000": {"a.json": b"{}"}})
    run.tar(manifest).unlink()
    with pytest.raises(CorruptData, match="is gone, but its manifest stands"):
        join(run, ["edit"], 0).rows["00000000"].raw("a.json")


def test_a_damaged_manifest_is_named(run: RunFolder) -> None:
    write(run, "edit", {"00000000": {"a.json": b"{}"}})
    path = run.manifest_path("edit", 0)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CorruptData, match="is not a manifest"):
        run.manifest("edit", 0)


def test_a_manifest_of_another_shard_is_not_believed(run: RunFolder) -> None:
    """Nor one that somebody wrote to lead readers elsewhere."""
    manifest = write(run, "edit", {"00000000": {"a.json": b"{}"}})
    path = run.manifest_path("edit", 0)
    path.rename(run.manifest_path("edit", 1))
    with pytest.raises(CorruptData, match="it is another shard's"):
        run.manifest("edit", 1)
    path.write_bytes(sealed(manifest.model_copy(update={"tar": "../../../secret.tar"})))
    with pytest.raises(CorruptData, match="it is another shard's"):
        run.manifest("edit", 0)


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"\xff"])
def test_a_torn_manifest_says_which_file_it_is_and_the_way_out(run: RunFolder, data: bytes) -> None:
    write(run, "edit", {"00000000": {"a.json": b"{}"}})
    path = run.manifest_path("edit", 0)
    path.write_bytes(data)
    with pytest.raises(
        CorruptData,
        match=f"{path} is not a manifest .*: `palimpsest repair {run.path}` makes it again",
    ):
        run.manifest("edit", 0)
    path.unlink()
    write(run, "edit", {"00000000": {"a.json": b"{}"}})


def test_a_manifest_that_is_a_folder_is_named(run: RunFolder) -> None:
    run.manifest_path("edit", 0).mkdir(parents=True)
    with pytest.raises(
        CorruptData, match="00000.json is not a manifest .it is a folder.: `palimpsest rep"
    ):
        run.manifest("edit", 0)
    with pytest.raises(CorruptData, match="it is a folder"):
        write(run, "edit", {"00000000": {"a.json": b"{}"}})


def test_a_tar_that_is_a_folder_is_named(run: RunFolder) -> None:
    manifest = write(run, "edit", {"00000000": {"a.json": b"{}"}})
    run.tar(manifest).unlink()
    run.tar(manifest).mkdir()
    row = join(run, ["edit"], 0).rows["00000000"]
    for read in (lambda: row.raw("a.json"), lambda: run.verify(manifest),
                 lambda: run.measure(manifest)):  # fmt: skip
        with pytest.raises(CorruptData, match=f"{manifest.tar} is a folder"):
            read()
    run.manifest_path("edit", 0).unlink()
    with pytest.raises(CorruptData, match=f"{manifest.tar} is a folder where a tar belongs"):
        write(run, "edit", {"00000000": {"a.json": b"{}"}})


def test_every_flipped_byte_of_a_tar_is_noticed(run: RunFolder) -> None:
    """Those of its headers and its padding as well, which no member's digest covers."""
    manifest = write(run, "edit", {"00000000": {"a.json": b"{}"}})
    good = run.tar(manifest).read_bytes()
    run.verify(manifest)
    for place in range(0, len(good), 37):
        run.tar(manifest).write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        run.measure(manifest)
        with pytest.raises(CorruptData, match="`palimpsest repair .*` makes it again"):
            run.verify(manifest)


def test_a_shard_whose_manifest_was_taken_away_is_made_again(run: RunFolder) -> None:
    manifest = write(run, "edit", {"00000000": {"a.json": b"{}"}})
    run.tar(manifest).unlink()
    with pytest.raises(CorruptData, match="is gone"):
        run.verify(manifest)
    run.manifest_path("edit", 0).unlink()
    assert write(run, "edit", {"00000000": {"a.json": b"{}"}}).sha256 == manifest.sha256
    run.verify(manifest)


def test_an_attempt_that_was_swept_away_may_be_tried_again(run: RunFolder) -> None:
    with Writer(run, "edit", 0) as writer:
        writer.add("00000000", [("a.json", b"{}")])
        next((run.path / "staging").iterdir()).unlink()
        with pytest.raises(TransientError, match="staging.*was removed before it was committed"):
            writer.commit(["00000000"], [], {}, FACTS, {})
    assert not run.committed("edit", 0)


def test_a_lost_sample_cannot_be_committed(run: RunFolder) -> None:
    with Writer(run, "edit", 0) as writer:
        writer.add("00000000", [("a.json", b"{}")])
        with pytest.raises(PalimpsestError, match="in != out"):
            writer.commit(["00000000", "00000001"], [], {}, FACTS, {})
    assert not run.committed("edit", 0)


def test_keys_come_once_and_in_order(run: RunFolder) -> None:
    with Writer(run, "edit", 0) as writer:
        writer.add("00000001", [])
        for key in ("00000001", "00000000"):
            with pytest.raises(PalimpsestError, match="came after"):
                writer.add(key, [])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["ok", "low-score", "nan-latents"]), max_size=12), st.data())
def test_every_sample_leaves_by_one_door(
    run: RunFolder, outcomes: list[str], data: st.DataObject
) -> None:
    ids = [f"{i:08d}" for i in range(len(outcomes))]
    rejected = [
        Rejected(key=key, reason=what)
        for key, what in zip(ids, outcomes, strict=True)
        if what != "ok"
    ]
    kept = {key: () for key, what in zip(ids, outcomes, strict=True) if what != "nan-latents"}
    manifest = Manifest(
        dataset="x", shard=0, tar="", bytes=0, sha256="", ids_in=tuple(ids), records=kept,
        rejected=tuple(rejected), parents={}, **FACTS, attempt={"id": "a"},  # type: ignore[arg-type]
    )  # fmt: skip
    assert manifest.balanced()
    counts = manifest.counts()
    assert counts["out"] == outcomes.count("ok")
    assert counts["filtered"] == outcomes.count("low-score")
    assert counts["quarantined"] == outcomes.count("nan-latents")
    if ids:
        lost = data.draw(st.sampled_from(ids))
        if any(item.key == lost for item in rejected):
            fewer = tuple(item for item in rejected if item.key != lost)
            changed = manifest.model_copy(update={"rejected": fewer, "records": {
                key: value for key, value in kept.items() if key != lost}})  # fmt: skip
        else:
            changed = manifest.model_copy(
                update={"records": {key: value for key, value in kept.items() if key != lost}}
            )
        assert not changed.balanced()
        assert not manifest.model_copy(update={"ids_in": (*ids, lost)}).balanced()


def test_tar_headers_are_plain_ustar_without_times(run: RunFolder) -> None:
    manifest = write(run, "edit", {"00000000": {"a.json": b"{}", "b.png": b"x" * 513}})
    with tarfile.open(run.tar(manifest)) as tar:
        for item in tar.getmembers():
            assert (item.mtime, item.uid, item.gid, item.uname) == (0, 0, 0, "")
            assert item.isfile() and not item.pax_headers
        names = tar.getnames()
    assert names == ["00000000.a.json", "00000000.b.png"]


def test_the_manifest_says_where_each_member_lies(run: RunFolder) -> None:
    manifest = write(run, "edit", {"00000000": {"a.json": json.dumps([1]).encode()}})
    with tarfile.open(fileobj=io.BytesIO(run.tar(manifest).read_bytes())) as tar:
        for item in tar.getmembers():
            key, _, name = item.name.partition(".")
            member = next(one for one in manifest.records[key] if one.name == name)
            assert (member.offset, member.size) == (item.offset_data, item.size)


def test_generated_records_hold_only_what_they_have() -> None:
    names = [name for name, _ in members(Generated(np.zeros((4, 4, 3), np.uint8)))]
    assert names == ["image.png"]


def test_every_flipped_bit_of_a_manifest_is_noticed(run: RunFolder) -> None:
    write(run, "edit", {"00000000": {"a.json": b"{}"}})
    path = run.manifest_path("edit", 0)
    good = path.read_bytes()
    assert json.loads(good)["dataset"] == "edit"  # plain JSON all the same
    for place in range(len(good)):
        for bit in range(8):
            bad = good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
            with pytest.raises(ValueError, match="its own digest"):
                unsealed(bad)
    for end in range(len(good)):
        with pytest.raises(ValueError, match="its own digest"):
            unsealed(good[:end])


def test_a_manifest_of_an_older_version_is_told_from_a_damaged_one(run: RunFolder) -> None:
    write(run, "edit", {"00000000": {"a.json": b"{}"}})
    path = run.manifest_path("edit", 0)
    path.write_bytes(unsealed(path.read_bytes()))
    with pytest.raises(CorruptData, match=r"does not end with its own digest: .* older version\): "
                       "`palimpsest repair"):  # fmt: skip
        run.manifest("edit", 0)
