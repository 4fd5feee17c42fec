"""A file of a run that is cut anywhere, or of which one bit is another, is never read as whole.

Reader by reader: what is handed out is what was written, or nothing is.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import store
from pipeline.documents import IndexFacts
from pipeline.errors import CorruptData, NotReady, PalimpsestError
from pipeline.manifest import Rejected
from pipeline.shards import RunFolder, join, parsed
from pipeline.spool import SUFFIX, Spool
from pipeline.writer import Writer
from tests.faults import hostile, mini
from tests.faults.counts import count

FACTS = {"config": "c", "code": "d", "model": "m", "seeds": "s"}
KEYS = tuple(f"{i:08d}" for i in range(4))


class Found(Exception):
    """A reader refused what it read."""


@dataclass(frozen=True)
class Target:
    """A file, and whether all of it is there: `read` raises `Found`, or returns what is handed out,
    which must be what it was."""

    path: Path
    read: Callable[[], Any]
    #: Whether a reader may pass over what is damaged in silence, and make it anew.
    silent: bool = False


def refusing(read: Callable[[], Any], *errors: type[BaseException]) -> Callable[[], Any]:
    def reading() -> Any:
        try:
            return read()
        except errors as error:
            assert str(error)
            raise Found from None

    return reading


def tar(run: RunFolder) -> Target:
    manifest = run.manifest("second", 0)
    rows = join(run, ("second",), 0).rows

    def read() -> Any:
        found, lost = {}, 0
        for key, row in rows.items():
            try:
                found[key] = row.raw("more.md")
            except CorruptData as error:
                assert f"{key}.more.md" in str(error) or "gone" in str(error)
                lost += 1
        for key, data in found.items():
            assert data == whole[key], "other bytes were handed out"
        run.measure(manifest)
        run.verify(manifest)
        assert not lost
        return found

    whole = {key: row.raw("more.md") for key, row in rows.items()}
    return Target(run.tar(manifest), refusing(read, CorruptData))


def manifest(run: RunFolder) -> Target:
    path = run.manifest_path("second", 1)
    return Target(path, refusing(lambda: parsed(path), CorruptData, NotReady))


def index(run: RunFolder) -> Target:
    facts = IndexFacts(digest="d" * 64, shards={"train": ("a" * 64,)}, samples={"train": 9},
                       profile="mini", weights="tiny", labels={"clone": 1}, planned=12,
                       declined={"low-score": 3}, sources=(), config={"seed": 1})  # fmt: skip
    with Writer(run, "index", 0) as writer:
        writer.add("index", [("index.json", facts.model_dump_json().encode())])
        found = writer.commit(["index"], [], {}, FACTS, {})

    def read() -> Any:
        run.verify(found)  # of padding and headers; what follows is of the index itself
        return join(run, ("index",), 0).rows["index"].get("index", "IndexFacts")

    return Target(run.tar(found), refusing(read, CorruptData))


def spooled(run: RunFolder) -> Path:
    """What an attempt left that was killed after two batches."""
    with (
        pytest.raises(KeyboardInterrupt),
        Writer(run, "spooled", 0, Spool(run, "spooled", 0, FACTS)) as writer,
    ):
        for key in KEYS:
            writer.add(key, [("text.md", f"{key} {'x' * 40}".encode())])
            rejected = [Rejected(key=key, reason="low-score", detail="2")] if key == KEYS[1] else []
            writer.batch_done([key], rejected, 1.0)
        raise KeyboardInterrupt
    (journal,) = run.staging.glob(f"spooled-*{SUFFIX}")
    return journal


def salvaged(run: RunFolder) -> Callable[[], Any]:
    def read() -> Any:
        spool = Spool(run, "spooled", 0, FACTS)
        found = {key: spool.take([key]) for key in KEYS}
        for key, saved in found.items():
            assert saved is None or saved == whole[key], "another batch was taken over"
        return found

    whole: dict[str, Any] = {}
    whole |= {key: Spool(run, "spooled", 0, FACTS).take([key]) for key in KEYS}
    assert None not in whole.values()
    return read


def journal(run: RunFolder) -> Target:
    path = spooled(run)
    return Target(path, salvaged(run), silent=True)


def part(run: RunFolder) -> Target:
    path = spooled(run).with_suffix(".part")
    return Target(path, salvaged(run), silent=True)


def weights(run: RunFolder) -> Path:
    folder = run.path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"0123456789" * 20)
    (folder / "config.json").write_bytes(b"{}")
    lock = store.Lock(repo="a/model", commit="c" * 40, files=store.survey(folder).files)
    store.write(folder, lock)
    return folder


def lock(run: RunFolder) -> Target:
    folder = weights(run)
    return Target(store.lock_path(folder), refusing(lambda: store.read(folder), CorruptData))


def model(run: RunFolder) -> Target:
    folder = weights(run)
    path = folder / "model.safetensors"
    return Target(path, refusing(lambda: store.digest([folder]), CorruptData))


def checkpoint(run: RunFolder) -> Target:
    import torch

    from training import checkpoint as module

    path = module.save(run.path / "checkpoints", {
        "step": 3, "facts": {"a": "b"}, "model": {"w": torch.arange(9.0)}})  # fmt: skip

    def read() -> Any:
        found = module.load(path)
        return found["step"], found["facts"], found["model"]["w"].tolist()

    return Target(path, refusing(read, ValueError))


TARGETS = {"tar": tar, "manifest": manifest, "index": index, "journal": journal, "part": part,
           "lock": lock, "model": model, "checkpoint": checkpoint}  # fmt: skip


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = mini.begun(tmp_path_factory.mktemp("flips") / "run")
    mini.compute(run, shards=mini.SHARDS)
    return run.path


@pytest.fixture
def run(computed: Path, tmp_path: Path) -> RunFolder:
    shutil.copytree(computed, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def undetected(target: Target, data: bytes, known: Any) -> bool:
    """Whether `data` at the target's place is taken for whole."""
    target.path.write_bytes(data)
    try:
        found = target.read()
    except Found:
        return False
    return bool(found == known) and not target.silent


@pytest.mark.parametrize("what", TARGETS)
def test_a_file_that_was_cut_anywhere_is_never_whole(what: str, run: RunFolder) -> None:
    target = TARGETS[what](run)
    whole, known = target.path.read_bytes(), target.read()
    step = 1 if len(whole) < 40_000 else 7
    silent = [at for at in range(0, len(whole), step) if undetected(target, whole[:at], known)]
    # A lock without its last newline says the same; nothing else may be missing anywhere.
    assert silent == ([len(whole) - 1] if what == "lock" else []), what
    target.path.write_bytes(whole)
    assert target.read() == known


def test_no_single_bit_goes_unnoticed(run: RunFolder, said: Callable[[str], None]) -> None:
    targets = {name: make(RunFolder(copied(run, name))) for name, make in TARGETS.items()}
    whole = {name: target.path.read_bytes() for name, target in targets.items()}
    known = {name: target.read() for name, target in targets.items()}
    found: Counter[str] = Counter()
    for (case, draw), name in zip(hostile.cases("flips"), itertools.cycle(targets), strict=False):
        data, at = bytearray(whole[name]), draw.randrange(8 * len(whole[name]))
        data[at // 8] ^= 1 << at % 8
        assert not undetected(targets[name], bytes(data), known[name]), (
            f"{case}: bit {at} of {name}"
        )
        found[name] += 1
    assert found.total() == count("flips")
    said(f"flips: {dict(found)}, 0 unnoticed")


def copied(run: RunFolder, name: str) -> Path:
    to = run.path.with_name(name)
    shutil.copytree(run.path, to)
    return to


def test_a_reader_without_digests_would_be_caught_here(run: RunFolder) -> None:
    """The test's own test: plain tar, read as webdataset reads it, has bits that nobody misses."""
    target = tar(run)
    plain = Target(target.path, lambda: hashlib.sha256(b"").hexdigest())
    whole, draw = target.path.read_bytes(), random.Random(1)
    data = bytearray(whole)
    data[draw.randrange(len(data))] ^= 1
    assert undetected(plain, bytes(data), plain.read())
    assert not undetected(target, bytes(data), target.path)
    assert issubclass(CorruptData, PalimpsestError)
