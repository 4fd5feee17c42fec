"""The published dataset is fetched at one revision, each file held against a digest."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from httpx2 import ConnectTimeout, Request, Response
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.hf_api import BlobLfsInfo, DatasetInfo, RepoSibling

from jobs import imported_hub, models_hub
from pipeline import cli
from pipeline.errors import ConfigError, CorruptData, InputError, TransientError, guard
from tests.jobs.published import pairs, zipped

REQUEST = Request("GET", "https://hub.example.org")


class Hub:
    """Stands for the hub: `files` by name, which it sends unless they are `damaged`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> None:
        self.files, self.damaged = files, set[str]()
        self.asked: list[tuple[str, str]] = []
        self.error: Exception | None = None
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", self.download)
        monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", self.info)

    def info(self, repo: str, **how: Any) -> DatasetInfo:
        if self.error:
            raise self.error
        assert how["files_metadata"] and (repo, how["revision"]) == PLACE
        siblings = []
        for name, data in self.files.items():
            lfs = BlobLfsInfo(size=len(data), sha256=_sha(data), pointer_size=1)
            siblings.append(RepoSibling(name, len(data), "blob", lfs))
        found = DatasetInfo(id=repo, sha=how["revision"])
        found.siblings = siblings
        return found

    def download(self, repo: str, name: str, local_dir: Path, **how: Any) -> str:
        assert how["repo_type"] == "dataset" and (repo, how["revision"]) == PLACE
        self.asked.append((repo, name))
        path = local_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" if name in self.damaged else self.files[name])
        return str(path)


PLACE = ("Chaos2629/Diffseg30k", "8049819755ff430dcf4701636b14e6f1df6c4542")


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """With a miniature of the archive, whose digest is pinned as the real one's is."""
    train = zipped(tmp_path / "made.zip", pairs(0, 8)).read_bytes()
    val = zipped(tmp_path / "made-too.zip", pairs(50, 4), "val_copy").read_bytes()
    monkeypatch.setattr(imported_hub, "PINNED", {"train.zip": _sha(train)})
    return Hub(monkeypatch, {"train.zip": train, "validation.zip": val, "README.md": b"# read"})


def test_it_is_fetched_and_imported_by_one_command(hub: Hub, tmp_path: Path) -> None:
    where, out = tmp_path / "archive", tmp_path / "run"
    args = ["import", "diffseg30k", str(where), "--hub", "--out", str(out)]
    assert guard(cli.main, args) == 0
    assert [name for _, name in hub.asked] == ["train.zip", "validation.zip"]
    assert (out / "dataset" / "train-00000.tar").exists()
    assert (out / "dataset" / "val-00000.tar").exists()
    assert not (out / "report.html").exists()


def test_the_real_archive_is_pinned() -> None:
    assert imported_hub.PINNED["train.zip"].startswith("9ef27f4c") and len(PLACE[1]) == 40
    assert (imported_hub.REPO, imported_hub.REVISION) == PLACE


def test_what_did_not_arrive_whole_is_not_believed(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = {"validation.zip"}
    with pytest.raises(TransientError, match="validation.zip of .* did not arrive whole"):
        imported_hub.fetch(tmp_path / "archive")
    assert not (tmp_path / "archive" / "validation.zip").exists()
    hub.damaged = set()
    imported_hub.fetch(tmp_path / "archive")
    assert (tmp_path / "archive" / "validation.zip").exists()


def test_other_bytes_than_the_pinned_ones_are_not_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.files["train.zip"] += b"!"
    with pytest.raises(CorruptData, match=r"other bytes of train.zip at 8049819755ff"):
        imported_hub.fetch(tmp_path / "archive")
    assert hub.asked == []


def test_a_split_is_fetched_once_zip_before_parquet(hub: Hub, tmp_path: Path) -> None:
    table = "data/{}-00000-of-00001.parquet"
    del hub.files["validation.zip"]
    hub.files |= {table.format(split): b"rows" for split in ("train", "validation")}
    imported_hub.fetch(tmp_path / "archive")
    assert [name for _, name in hub.asked] == ["train.zip", table.format("validation")]


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (RevisionNotFoundError("gone", response=Response(404, request=REQUEST)), InputError,
         "the hub has Chaos2629/Diffseg30k at 8049819755ff no more: put an archive"),
        (HfHubHTTPError("403 Forbidden", response=Response(403, request=REQUEST)), InputError,
         r"refuses this token or this account \(403 Forbidden\); give another one in the secret"),
        (ConnectTimeout("no answer", request=REQUEST), TransientError, "not be fetched .no answer"),
    ],
)  # fmt: skip
def test_what_the_hub_says_is_said_with_the_way_out(
    error: Exception, kind: type[Exception], says: str, hub: Hub, tmp_path: Path
) -> None:
    hub.error = error
    with pytest.raises(kind, match=says):
        imported_hub.fetch(tmp_path / "archive")


def test_without_the_hubs_client_the_way_out_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(ConfigError, match=r"needs huggingface_hub: .*the path of an archive"):
        imported_hub.fetch(tmp_path / "archive")
    with pytest.raises(ConfigError, match="needs huggingface_hub: use the editor image"):
        models_hub.download("somebody/model", tmp_path / "model")


def test_a_hub_without_archives_and_a_file_in_the_way(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"README.md": b"moved"}
    with pytest.raises(InputError, match="has no archive at 8049819755ff any more"):
        imported_hub.fetch(tmp_path / "archive")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is a file: give a folder"):
        imported_hub.fetch(tmp_path / "file")
