"""A photograph that ends the process which opens it: quarantined, and no other pays for it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobs import ingest, reals
from jobs.coco import read_photographs
from jobs.cut import cut
from pipeline import runs
from pipeline.apart import Apart
from pipeline.code import ROOT
from pipeline.config import Config
from pipeline.errors import TRANSIENT, InputError
from pipeline.records import Sourced
from pipeline.shards import RunFolder, join
from pipeline.stage import read_run
from tests.jobs import poison
from tests.processes import living

HOW = {"fault": "was ended by SIGSEGV", "abort": "was ended by SIGABRT",
       "SIGKILL": "was ended by SIGKILL", "exit": "ended with exit code 3"}  # fmt: skip
GOOD = ("a.jpg", "b.png", "m.webp", "z.jpg")
#: The stage as a pod starts it, but for what its decoder does.
PROGRAM = """
import sys
from jobs import ingest
from pipeline.errors import guard
from tests.jobs import poison

ingest.cut = poison.cut
sys.exit(guard(ingest.main, sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path: Path, photo: Image.Image) -> Path:
    path = tmp_path / "photos"
    path.mkdir()
    for name in GOOD:
        photo.rotate(3 * len(list(path.iterdir()))).save(path / name)
    return path


def plant(folder: Path, *hows: str) -> None:
    """The good ones once more, with something behind their end."""
    for how in hows:
        raw = (folder / GOOD[0]).read_bytes()
        (folder / f"n-{how}.jpg").write_bytes(poison.poisoned(raw, how))


def begin(configured: Callable[..., Config], folder: Path, **changes: Any) -> RunFolder:
    count = len(list(folder.iterdir()))
    bases = {"ai_share": 0, "crops": "centre", "resolution": 32, "min_side": 16}
    config = configured(**{"samples": count, "shard_size": count, "bases": bases, **changes})
    return runs.begin(config, folder, folder.parent / f"run-{count}")[1]


def test_it_is_quarantined_with_what_it_did_and_the_others_are_as_ever(
    configured: Callable[..., Config], folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    plant(folder, *HOW)
    monkeypatch.setattr(ingest, "cut", poison.cut)
    run = begin(configured, folder)
    assert ingest.main([f"--run={run.path}"]) == 0
    manifest = run.manifest("ingest", 0)
    assert manifest.balanced() and len(manifest.ids_in) == len(GOOD) + len(HOW)
    assert {one.detail: one.reason for one in manifest.rejected} == {
        f"n-{how}.jpg: the process that opened it {said}": "unreadable-image"
        for how, said in HOW.items()
    }
    said = capsys.readouterr().out
    assert all(f"the process that opened n-{how}.jpg {what}" in said for how, what in HOW.items())

    config = read_run(run.path)
    here = ingest.ingest(config, read_photographs(folder, config), config.keys(0))
    known = {one.source.file: one for one in here if isinstance(one, Sourced)}
    rows = join(run, ("ingest",), 0).rows.values()
    assert {row.get("source", "Source").file for row in rows} == set(GOOD)
    for row in rows:
        source = row.get("source", "Source")
        assert source == known[source.file].source
        assert np.array_equal(row.get("image", "Photo"), known[source.file].image)  # type: ignore[arg-type]


def test_one_that_nobody_edits_as_well(
    configured: Callable[..., Config], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(folder, "fault", "abort")
    monkeypatch.setattr(reals, "cut", poison.cut)
    run = begin(configured, folder, samples=1, reals={"negatives": 5})  # the sample takes one
    assert reals.main([f"--run={run.path}"]) == 0
    manifest = run.manifest("reals", 0)
    assert manifest.balanced() and len(manifest.ids_in) == 5 and manifest.rejected
    for one in manifest.rejected:
        assert re.fullmatch("n-.*: the process that opened it was ended by SIG.*", one.detail)


def test_a_folder_of_nothing_else_is_refused_with_the_reason(
    configured: Callable[..., Config], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(folder, "fault", "exit")
    for name in GOOD:
        (folder / name).unlink()
    monkeypatch.setattr(ingest, "cut", poison.cut)
    run = begin(configured, folder)
    with pytest.raises(InputError, match=r"can be used \(2 unreadable-image\)"):
        ingest.main([f"--run={run.path}"])
    assert not run.committed("ingest", 0)


def test_a_machine_without_memory_is_not_its_fault(
    configured: Callable[..., Config], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(folder, "memory")
    monkeypatch.setattr(ingest, "cut", poison.cut)
    run = begin(configured, folder)
    with pytest.raises(MemoryError):
        ingest.main([f"--run={run.path}"])
    assert not run.committed("ingest", 0)


def test_whoever_kills_decoders_changes_no_sample(
    configured: Callable[..., Config], folder: Path
) -> None:
    bases = {"ai_share": 0, "crops": "random", "resolution": 32, "min_side": 16}
    config = configured(samples=8, shard_size=8, bases=bases)
    found = read_photographs(folder, config)
    with Apart(cut) as apart, Apart(os.getpid) as other:
        apart._processes = other._processes  # whose pid can be asked for

        def killed(*args: Any) -> Any:
            os.kill(other(), signal.SIGKILL)
            return apart(*args)

        after = ingest.ingest(config, found, config.keys(0), killed)
    for one, known in zip(after, ingest.ingest(config, found, config.keys(0)), strict=True):
        assert isinstance(one, Sourced) and isinstance(known, Sourced)
        assert one.source == known.source and np.array_equal(one.image, known.image)  # type: ignore[arg-type]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", ["loop", "sleep"])
def test_a_stage_that_waits_for_a_decoder_ends_at_once_when_told_to(
    configured: Callable[..., Config], folder: Path, how: str, said: Callable[[str], None]
) -> None:
    plant(folder, how)
    run = begin(configured, folder)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, f"--run={run.path}"], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT,
    ) as stage:  # fmt: skip
        assert stage.stderr is not None
        assert "poisoned\n" in iter(stage.stderr.readline, "")
        assert len(living(stage.pid)) == 2
        begun = time.monotonic()
        stage.send_signal(signal.SIGTERM)
        assert stage.wait(10) == TRANSIENT
        took = time.monotonic() - begun
        assert "stopped by SIGTERM" in stage.stderr.read()
    assert not living(stage.pid) and not run.committed("ingest", 0)
    said(f"a stage whose decoder hangs ({how}) ended {took:.2f} s after SIGTERM")
