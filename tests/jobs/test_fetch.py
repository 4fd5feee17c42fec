"""Weights are fetched once, whole, and never as somebody they are not for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from httpx2 import ConnectTimeout, Request, Response
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo

from jobs import fetch
from jobs import hub as client
from pipeline import config, store
from pipeline.cards import Card, card, encoder
from pipeline.errors import OK, PERMANENT, TRANSIENT, guard

COMMIT = "c" * 40
REQUEST = Request("GET", "https://hub.example.org")


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The config of one family with real weights below tmp_path."""
    path = tmp_path / "config.yaml"
    path.write_text(
        f"profile: mine\nsamples: 4\nfamilies: {{sdxl: 1, glide: 2, heal: 3}}\n"
        f"editing: {{folder: {tmp_path / 'models'}}}\n"
    )
    return path


class Hub:
    """Stands for the hub: writes what would be downloaded, or raises `error`. `asked` is once a
    repository, `files` in the order of their names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.lock = threading.Lock()
        self.overtaken = ""
        self.files = ["model_index.json", "unet/model.safetensors"]
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", self.download)
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", self.info)

    def info(self, repo: str, **how: Any) -> ModelInfo:
        siblings = [{"rfilename": name} for name in (*self.files, "run.py")]
        return ModelInfo(id=repo, sha=COMMIT, siblings=siblings)

    def download(self, repo: str, name: str, local_dir: Path, **how: Any) -> None:
        with self.lock:
            self._download(repo, name, local_dir, **how)

    def _download(self, repo: str, name: str, local_dir: Path, **how: Any) -> None:
        if not self.asked or self.asked[-1]["repo"] != repo or self.error:
            self.asked.append({"repo": repo, "files": [], **how})
        files = self.asked[-1]["files"]
        files[:] = sorted([*files, name])
        (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (local_dir / name).write_text("{}")
        if self.error:
            raise self.error
        if self.overtaken and files == sorted(self.files):  # by another pod, which fetched this
            folder = local_dir.with_name(repo.split("/")[1])
            lock = store.Lock(repo=repo, commit=self.overtaken, files=store.survey(local_dir).files)
            store.write(folder, lock)
            local_dir.rename(folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(monkeypatch)


def argv(mounted: Path, family: str = "sdxl") -> list[str]:
    return ["--family", family, "--config", str(mounted)]


def test_it_fetches_what_the_editor_looks_for_once(mounted: Path, hub: Hub) -> None:
    (folder,) = card("editors", "sdxl").folders(mounted.parent / "models")
    assert guard(fetch.main, argv(mounted)) == OK
    assert sorted(path.name for path in folder.iterdir()) == ["model_index.json", "unet"]
    left = sorted(path.name for path in folder.parent.iterdir())
    assert left == [folder.name, f"{folder.name}.lock.json"], "nothing else is left"
    assert guard(fetch.main, argv(mounted)) == OK
    (asked,) = hub.asked
    assert asked["repo"] == card("editors", "sdxl").repos[0] and asked["token"] is None
    assert asked["revision"] == COMMIT
    assert asked["files"] == hub.files, "no code and no pickles"


def test_the_token_is_read_from_its_file(
    mounted: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HUB_TOKEN", str(tmp_path))
    (tmp_path / "token").write_text("hf_secret\n")
    assert guard(fetch.main, argv(mounted)) == OK
    assert hub.asked[0]["token"] == "hf_secret"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (GatedRepoError("no", response=Response(403, request=REQUEST)), PERMANENT,
         "is gated: accept its licence on the hub"),
        (RepositoryNotFoundError("no", response=Response(404, request=REQUEST)), PERMANENT,
         "is not on the hub, or not for this token"),
        (RevisionNotFoundError("no", response=Response(404, request=REQUEST)), PERMANENT,
         "has the revision of"),
        (HfHubHTTPError("401 Unauthorized", response=Response(401, request=REQUEST)), PERMANENT,
         "refuses this token or this account (401 Unauthorized); give another one"),
        (HfHubHTTPError("502 Bad Gateway", response=Response(502, request=REQUEST)), TRANSIENT,
         "could not be fetched (502 Bad Gateway)"),
        (LocalEntryNotFoundError("no route\nmore"), TRANSIENT, "could not be fetched (no route)"),
        (ConnectTimeout(""), TRANSIENT, "could not be fetched (ConnectTimeout)"),
        (OSError(28, "No space left on device"), TRANSIENT, "No space left on device"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_sentence_and_leaves_no_folder(
    mounted: Path, hub: Hub, error: Exception, code: int, says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    hub.error = error
    assert guard(fetch.main, argv(mounted)) == code
    said = capsys.readouterr().err.strip()
    assert says in said and "\n" not in said
    (folder,) = card("editors", "sdxl").folders(mounted.parent / "models")
    assert not folder.exists()
    hub.error = None
    assert guard(fetch.main, argv(mounted)) == OK and folder.is_dir()


@pytest.mark.parametrize("commit", [COMMIT, "d" * 40])
def test_a_pod_that_another_one_overtook(commit: str, mounted: Path, hub: Hub) -> None:
    hub.overtaken = commit
    assert guard(fetch.main, argv(mounted)) == OK
    (folder,) = card("editors", "sdxl").folders(mounted.parent / "models")
    lock = store.read(folder)
    assert lock and lock.commit == commit
    store.check(folder, store.survey(folder))
    assert not list(folder.parent.glob(".*"))


def test_weights_that_are_on_no_hub_are_asked_for(
    mounted: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(fetch.main, argv(mounted, "glide")) == PERMANENT
    assert (
        "glide-inpaint is on no hub: put its converted checkpoint into" in capsys.readouterr().err
    )
    folder = mounted.parent / "models" / "glide-inpaint"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert guard(fetch.main, argv(mounted, "glide")) == PERMANENT
    assert "glide-inpaint holds no *.safetensors" in capsys.readouterr().err
    (folder / "model.safetensors").write_bytes(b"weights")
    assert guard(fetch.main, argv(mounted, "glide")) == OK
    assert guard(fetch.main, argv(mounted, "heal")) == OK, "a family without weights needs none"
    assert not hub.asked


def test_a_family_that_the_config_does_not_have(
    mounted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(fetch.main, argv(mounted, "flux")) == PERMANENT
    assert "--family flux: the config has sdxl, glide, heal" in capsys.readouterr().err
    assert guard(fetch.main, ["--config", str(mounted)]) == PERMANENT
    assert "--family --vlm --segmenter --detector is required" in capsys.readouterr().err


def test_the_vlm_and_the_segmenter_have_weights_too(
    mounted: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Card(title="t", image="editor", repos=("org/a-model", "org/another"))
    monkeypatch.setattr(fetch, "needed", lambda config, role, name: real)
    where = ["--config", str(mounted)]
    assert guard(fetch.main, ["--vlm", "rules", *where]) == OK
    assert [asked["repo"] for asked in hub.asked] == ["org/a-model", "org/another"]
    assert sorted(path.name for path in (mounted.parent / "models").iterdir()) == [
        "a-model", "a-model.lock.json", "another", "another.lock.json"
    ]  # fmt: skip
    assert guard(fetch.main, ["--segmenter", "classical", *where]) == OK
    assert len(hub.asked) == 2, "they are there"
    assert guard(fetch.main, ["--vlm", "nope", *where]) == PERMANENT
    assert "--vlm nope: the config has rules" in capsys.readouterr().err


@pytest.mark.parametrize("weights", ["local", "tiny"])
def test_a_detectors_encoder_is_fetched_and_never_tiny(
    mounted: Path, hub: Hub, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = mounted.read_text().replace("editing: {", f"editing: {{weights: {weights}, ")
    mounted.write_text(text + "detectors:\n  cnnspot: {tasks: [image], encoder: resnet18}\n"
                              "  deeplabv3plus: {pretrained: false}\n"
                              "  segformer: {encoder: mit_b5}\n")  # fmt: skip
    hub.files = ["config.json", "model.safetensors"]
    where = ["--config", str(mounted)]
    assert guard(fetch.main, ["--detector", "cnnspot", *where]) == OK
    (asked,) = hub.asked
    assert (asked["repo"], asked["files"]) == ("timm/resnet18.tv_in1k", hub.files)
    (folder,) = encoder("cnnspot", config.read(mounted).detectors["cnnspot"]).folders(
        mounted.parent / "models"
    )
    assert len(store.digest([folder])) == 16
    assert guard(fetch.main, ["--detector", "deeplabv3plus", *where]) == OK and len(hub.asked) == 1
    assert guard(fetch.main, ["--detector", "segformer", *where]) == PERMANENT
    assert "'mit_b5' has no published weights: set detectors.segformer.pretrained: false" in (
        capsys.readouterr().err
    )
    assert guard(fetch.main, ["--detector", "unet", *where]) == PERMANENT


def test_tiny_weights_are_built(mounted: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    from jobs.tiny import cache

    def ensure(family: str, root: Path) -> Path:
        built.append(family)
        return root / "tiny" / family

    monkeypatch.setattr(cache, "ensure", ensure)
    chosen = config.read(mounted)
    tiny = chosen.model_copy(update={"editing": chosen.editing.model_copy(
        update={"weights": "tiny"})})  # fmt: skip
    assert fetch.ensure(tiny, "editors", "sdxl") == [mounted.parent / "models" / "tiny" / "sdxl"]
    assert fetch.ensure(tiny, "editors", "heal") == []
    assert built == ["sdxl"] and not hub.asked
