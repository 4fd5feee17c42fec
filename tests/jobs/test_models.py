"""Models are locked when they are fetched, and every fault in them is named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import store
from pipeline.cards import card
from pipeline.cli import main
from pipeline.errors import OK, PERMANENT, TRANSIENT, guard
from tests.jobs.hub import Hub

ROOT = Path(__file__).parents[2]
(REPO,) = card("editors", "sdxl").repos
NAME = REPO.split("/")[1]
OLD, NEW = "a" * 40, "b" * 40
FILES = {
    "model_index.json": b"{}",
    "unet/model.safetensors": b"0123456789" * 1000,
    "tokenizer/merges.txt": b"a b\n",
    "unet/model.bin": b"pickle",
    "unet/model.fp16.safetensors": b"01234" * 1000,
    "sd_xl_base_1.0.safetensors": b"all of it once more" * 1000,
    "run.py": b"print('no')",
    "README.md": b"# SDXL",
}
READ = ["model_index.json", "tokenizer/merges.txt", "unet/model.safetensors"]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"profile: mine\nsamples: 4\nfamilies: {{sdxl: 1, heal: 2}}\n"
        f"editing: {{folder: {tmp_path / 'models'}}}\n"
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models" / NAME


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(REPO, {OLD: dict(FILES)}).serving() as served:
        yield served


def models(does: str, profile: Path, *more: str) -> int:
    return guard(main, ["models", does, "--profile", str(profile), *more])


def fetched(profile: Path, hub: Hub) -> subprocess.CompletedProcess[str]:
    """`models fetch` against the served hub, which the client learns when it is imported."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "models", "fetch", "--profile", str(profile)],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_mine", "HF_HUB_DISABLE_XET": "1",
             "HF_HOME": str(profile.parent / "hf")},
    )  # fmt: skip


@pytest.fixture
def locked(folder: Path) -> Path:
    """Weights as `models fetch` leaves them."""
    for name in READ:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(FILES[name])
    store.write(folder, store.Lock(repo=REPO, commit=OLD, files=store.survey(folder).files))
    return folder


def test_what_is_fetched_is_locked_and_only_that(profile: Path, folder: Path, hub: Hub) -> None:
    done = fetched(profile, hub)
    assert done.returncode == OK, done.stderr
    lock = store.read(folder)
    assert lock and (lock.repo, lock.commit, sorted(lock.files)) == (REPO, OLD, READ)
    for name in READ:
        assert lock.files[name] == store.Entry(
            bytes=len(FILES[name]), sha256=hashlib.sha256(FILES[name]).hexdigest()
        )
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                  if path.is_file() and ".cache" not in path.parts) == READ  # fmt: skip
    assert f"{REPO} at {OLD[:12]}: 3 files, 0.00 GB" in done.stdout
    assert not [path for path in hub.asked if "fp16" in path or "sd_xl_base" in path]
    assert sorted(path.name for path in folder.parent.iterdir()) == [NAME, f"{NAME}.lock.json"]
    assert hub.tokens == {"Bearer hf_mine"}
    assert models("verify", profile) == OK
    hub.asked.clear()
    assert fetched(profile, hub).returncode == OK and not hub.asked


def test_a_lock_without_its_folder_fetches_its_revision(
    profile: Path, locked: Path, hub: Hub
) -> None:
    shutil.rmtree(locked)
    hub.revisions[NEW] = {**FILES, "model_index.json": b"[]"}
    assert fetched(profile, hub).returncode == OK
    assert (locked / "model_index.json").read_bytes() == b"{}"
    shutil.rmtree(locked)
    del hub.revisions[OLD]
    done = fetched(profile, hub)
    assert done.returncode == PERMANENT and "no more: move that lock away" in done.stderr
    store.lock_path(locked).unlink()
    assert fetched(profile, hub).returncode == OK
    assert (locked / "model_index.json").read_bytes() == b"[]"


def test_a_lock_says_which_files_are_fetched(profile: Path, locked: Path, hub: Hub) -> None:
    """Whatever the card of a later version asks for."""
    (locked / "tokenizer" / "merges.txt").rename(locked / "vocab.txt")
    store.lock_path(locked).unlink()
    files = store.survey(locked).files
    store.write(locked, store.Lock(repo=REPO, commit=OLD, files=files))
    hub.revisions[OLD]["vocab.txt"] = FILES["tokenizer/merges.txt"]
    shutil.rmtree(locked)
    assert fetched(profile, hub).returncode == OK
    assert store.survey(locked).files == files


def test_the_list_has_the_size_of_what_a_lock_asks_for(
    profile: Path, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(locked)
    assert models("list", profile, "--json") == OK
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "missing" and row["commit"] == OLD
    assert row["bytes"] == sum(len(FILES[name]) for name in READ)


def test_other_bytes_under_the_same_revision_are_refused(
    profile: Path, locked: Path, hub: Hub
) -> None:
    shutil.rmtree(locked)
    hub.revisions[OLD]["unet/model.safetensors"] = b"other"
    done = fetched(profile, hub)
    assert done.returncode == PERMANENT and "is not what" in done.stderr and not locked.exists()


def test_bytes_that_came_damaged_are_fetched_again(profile: Path, folder: Path, hub: Hub) -> None:
    hub.damaged = True
    done = fetched(profile, hub)
    assert done.returncode == TRANSIENT and "did not arrive whole" in done.stderr
    assert not folder.exists() and not store.lock_path(folder).exists()
    hub.damaged = False
    assert fetched(profile, hub).returncode == OK and models("verify", profile) == OK


def moved(folder: Path) -> str:
    note = folder / store.NOTES / "model_index.json.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{NEW}\netag\n1700000000.0\n")
    return f"model_index.json is of revision {NEW[:12]}, locked is {OLD[:12]}"


def pickled(folder: Path) -> str:
    (folder / "unet" / "model.bin").write_bytes(b"pickle")
    return "unet/model.bin is a pickle or code"


def hidden_code(folder: Path) -> str:
    (folder / ".cache").mkdir()
    (folder / ".cache" / "run.PY").write_text("print()")
    return ".cache/run.PY is a pickle or code"


def flipped(folder: Path) -> str:
    (folder / "unet" / "model.safetensors").write_bytes(b"9123456789" * 1000)
    return "unet/model.safetensors has another digest"


def missing(folder: Path) -> str:
    (folder / "tokenizer" / "merges.txt").unlink()
    return "tokenizer/merges.txt is missing"


def truncated(folder: Path) -> str:
    os.truncate(folder / "unet" / "model.safetensors", 77)
    return "unet/model.safetensors is truncated: it has 77 of 10000 bytes"


def longer(folder: Path) -> str:
    (folder / "model_index.json").write_bytes(b"{}\n")
    return "model_index.json has 3 bytes, locked are 2"


def stranger(folder: Path) -> str:
    (folder / "extra.json").write_text("{}")
    return "extra.json is not in the lock"


def leading_out(folder: Path) -> str:
    outside = folder.parent.parent / "outside.json"
    (folder / "model_index.json").rename(outside)
    (folder / "model_index.json").symlink_to(outside)
    return "model_index.json is a link that leads out of the folder"


def folder_leading_out(folder: Path) -> str:
    (folder / "vae").symlink_to(folder.parent.parent)
    return "vae is a link that leads out of the folder"


def piped(folder: Path) -> str:
    (folder / "model_index.json").unlink()
    os.mkfifo(folder / "model_index.json")
    return "model_index.json is no regular file"


def another_repository(folder: Path) -> str:
    lock = store.read(folder)
    assert lock
    store.lock_path(folder).unlink()
    store.write(folder, lock.model_copy(update={"repo": f"mirror/{NAME}"}))
    return f"is of mirror/{NAME}, not {REPO}"


def edited_lock(folder: Path) -> str:
    path = store.lock_path(folder)
    path.write_text(path.read_text().replace(REPO, f"mirror/{NAME}"))
    return "is no lock, or damaged"


def unlocked(folder: Path) -> str:
    store.lock_path(folder).unlink()
    return "has no lock"


def torn_lock(folder: Path) -> str:
    os.truncate(store.lock_path(folder), 20)
    return "is no lock"


def gone(folder: Path) -> str:
    shutil.rmtree(folder)
    return "is missing: run `palimpsest models fetch`"


@pytest.mark.parametrize(
    "plant",
    [moved, pickled, flipped, missing, truncated, leading_out, folder_leading_out, stranger, longer,
     hidden_code, piped, another_repository, edited_lock, unlocked, torn_lock, gone],
)  # fmt: skip
def test_verify_names_each_fault(
    plant: Callable[[Path], str], profile: Path, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models("verify", profile) == OK
    assert capsys.readouterr().out == f"ok    {locked}\n"
    says = plant(locked)
    assert models("verify", profile) == PERMANENT
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    assert line.startswith(f"FAIL  {locked.parent}") and says in line
    assert said.err.startswith("palimpsest: 1 fault: ") and "models fetch" in said.err


def test_every_fault_has_its_line(
    profile: Path, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = [plant(locked) for plant in (missing, truncated, stranger, moved, pickled)]
    assert models("verify", profile) == PERMANENT
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 5 and "5 faults" in said.err
    assert all(any(says in line for line in said.out.splitlines()) for says in planted)


def test_a_link_within_the_folder_is_a_file(profile: Path, folder: Path, locked: Path) -> None:
    (folder / ".blobs").mkdir()
    (folder / "model_index.json").rename(folder / ".blobs" / "1")
    (folder / "model_index.json").symlink_to(Path(".blobs", "1"))
    assert models("verify", profile) == OK


def test_weights_put_there_by_hand_are_locked_as_they_are(
    profile: Path, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.lock_path(locked).unlink()
    pickled(locked)
    assert models("fetch", profile) == PERMANENT
    assert "unet/model.bin is a pickle or code, which is never read" in capsys.readouterr().err
    (locked / "unet" / "model.bin").unlink()
    assert models("fetch", profile) == OK
    lock = store.read(locked)
    assert lock and (lock.repo, lock.commit, sorted(lock.files)) == ("", "", READ)
    truncated(locked)
    assert models("fetch", profile) == PERMANENT


def test_the_list(profile: Path, locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("list", profile, "--json") == OK
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["repo"], row["state"], row["bytes"], row["commit"]) == (
        "sdxl", REPO, "locked", sum(len(FILES[name]) for name in READ), OLD)  # fmt: skip
    assert row["licence"] == "CreativeML-OpenRAIL++-M" and row["gated"] is False
    store.lock_path(locked).unlink()
    assert models("list", profile) == OK
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["model", "repository"] and " present " in line
    assert models("list", Path("paper")) == OK
    assert "timm/resnet50.tv_in1k" in capsys.readouterr().out


def test_encoders_and_stand_ins_are_listed_and_verified_like_everything_else(
    profile: Path, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with profile.open("a") as out:
        out.write("replays: {sdxl_lora: sdxl}\ndetectors:\n  deeplabv3plus: {encoder: resnet18}\n"
                  "  segformer: {pretrained: false}\n  cnnspot: {tasks: [image]}\n"
                  "  smpdeeplab: {}\n")  # fmt: skip
    assert models("list", profile, "--json") == OK
    found = [(row["role"], row["repo"]) for row in json.loads(capsys.readouterr().out)]
    assert found == [
        ("editors", REPO), ("editors", REPO), ("editors", "ByteDance/Hyper-SD"),
        ("detectors", "timm/resnet18.tv_in1k"), ("detectors", "timm/resnet50.tv_in1k"),
        ("detectors", "timm/resnet50.tv_in1k"),
    ]  # fmt: skip
    assert models("verify", profile) == PERMANENT
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "FAIL", "FAIL", "FAIL"], "each folder once"
    assert "resnet50.tv_in1k is missing: run `palimpsest models fetch`" in lines[-1]


def test_list_and_verify_need_no_heavy_library_and_no_hub(profile: Path, locked: Path) -> None:
    heavy = {"torch", "diffusers", "transformers", "huggingface_hub", "numpy"}
    for does in ("list", "verify"):
        code = (
            "import sys; from pipeline.cli import main; "
            f"assert main(['models', '{does}', '--profile', sys.argv[1]]) == 0; "
            f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
        )
        subprocess.run([sys.executable, "-c", code, str(profile)], check=True, cwd=ROOT)


@pytest.mark.slow
def test_tiny_weights_are_locked_as_they_are_built(
    tiny_root: Path, profile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobs.tiny.cache import ensure

    profile.write_text(f"families: {{sdxl: 1}}\nediting: {{weights: tiny, folder: {tiny_root}}}\n")
    built = ensure("sdxl", tiny_root)
    assert models("verify", profile) == OK
    assert capsys.readouterr().out == f"ok    {built / NAME}\n"
