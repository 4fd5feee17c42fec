"""Plain names for what was committed: all of it, nothing else, and again and again."""

import errno
import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipeline import config, local, publish
from pipeline.audit import audit
from pipeline.config import Config
from pipeline.errors import CorruptData
from pipeline.repair import repair
from pipeline.shards import RunFolder, join

DATA = Path(__file__).parent.parent / "data"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("publish") / "run"
    assert local.run(config.load(str(DATA / "standin.yaml")), DATA / "photos", path) == 0
    return RunFolder(path)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with photographs that nobody edits."""
    path = tmp_path_factory.mktemp("reals") / "run"
    standin = config.load(str(DATA / "standin.yaml"))
    reals = config.Reals(unedited=3, negatives=7)
    assert local.run(standin.model_copy(update={"reals": reals}), DATA / "photos", path) == 0
    return RunFolder(path)


def test_photographs_that_nobody_edited_are_published_beside_the_splits(
    beside: RunFolder, finished: RunFolder
) -> None:
    reals = {name: data for name, data in files(beside).items() if name.startswith("reals")}
    assert list(sorted(reals)) == ["reals-00000.tar", "reals-00001.tar"]
    assert not [name for name in files(finished) if name.startswith("reals")]
    text = files(beside)["README.md"].decode()
    assert "holds 10 photographs that nobody edited" in text
    assert all(f"| `{part}` | {split} | {n} |" in text for part, split, n in (
        ("unedited", "train", 3), ("negative", "train", 6), ("negative", "val", 1)))  # fmt: skip
    facts = json.loads(files(beside)["index.json"])
    shas = [beside.manifest("reals", shard).sha256 for shard in (0, 1)]
    assert facts["shards"]["reals"] == shas
    index = beside.manifest("index", 0)
    assert [index.parents[f"reals/0000{shard}"] for shard in (0, 1)] == shas
    verdict = audit(beside.path)
    assert verdict.exit_code == 0 and verdict.digest == facts["digest"]
    assert facts["digest"] == hashlib.sha256("\n".join(
        f"{name} {sha}" for name in ("train", "val", "filtered", "reals")
        for sha in facts["shards"][name]).encode()).hexdigest()  # fmt: skip
    credited = {one["file"]: one["samples"] for one in facts["sources"]}
    photos = [row.get("real", "Real").source.file for shard in (0, 1)
              for row in join(beside, ("reals",), shard).rows.values()]  # fmt: skip
    assert Counter(photos).items() <= credited.items()


def test_unedited_photographs_of_an_earlier_dataset_go(copy: RunFolder, standin: Config) -> None:
    (copy.path / "dataset" / "reals-00000.tar").write_text("old")
    publish.dataset(copy, standin)
    assert "reals-00000.tar" not in files(copy)


@pytest.fixture
def copy(finished: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def files(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.path / "dataset").iterdir()}


def test_shards_of_an_earlier_dataset_go_and_the_users_files_stay(
    copy: RunFolder, standin: Config
) -> None:
    folder, before = copy.path / "dataset", files(copy)
    theirs = (
        "notes.txt",
        "train-00000.tar.bak",
        "test-00000.tar",
        "train-1.tar",
        "my-train-00000.tar",
    )
    for name in (*theirs, "train-00099.tar", "filtered-00000.tar"):
        (folder / name).write_text("old")
    publish.dataset(copy, standin)
    assert files(copy) == before | {name: b"old" for name in theirs}


def test_the_dataset_is_the_committed_bytes_and_the_same_each_time(
    copy: RunFolder, standin: Config
) -> None:
    before = files(copy)
    assert {"README.md", "index.json", "edits.parquet", "train-00000.tar"} <= before.keys()
    shutil.rmtree(copy.path / "dataset")
    publish.dataset(copy, standin)
    assert files(copy) == before
    for name, data in before.items():
        if name.endswith(".tar"):
            split, shard = name.removesuffix(".tar").split("-")
            manifest = copy.manifest(f"assemble-{split}", int(shard))
            assert len(data) == manifest.bytes


def test_it_is_copied_where_there_are_no_links(
    copy: RunFolder, standin: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(copy)
    shutil.rmtree(copy.path / "dataset")

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    publish.dataset(copy, standin)
    assert files(copy) == before


def test_a_shard_that_was_deleted_is_said_with_the_way_out(
    copy: RunFolder, standin: Config
) -> None:
    """And the way out works."""
    before = files(copy)
    manifest = copy.manifest("assemble-train", 1)
    copy.tar(manifest).unlink()
    with pytest.raises(CorruptData, match=r"00001-.*is gone.*`palimpsest repair "):
        publish.dataset(copy, standin)
    assert repair(copy.path).exit_code == 0
    assert files(copy) == before
