"""Damage of every kind is found and named; repair makes again what is damaged, and nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import gc
from pipeline.errors import OK, PERMANENT, TRANSIENT
from pipeline.manifest import Manifest
from pipeline.repair import repair
from pipeline.shards import RunFolder
from pipeline.spool import Spool
from pipeline.verify import Verdict, verify
from pipeline.writer import Writer
from tests.faults.plants import PLANTS, plant_flip

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
pytestmark = pytest.mark.slow


def palimpsest(*args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", *map(str, args)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("finished")
    done = palimpsest("run", "--profile", DATA / "standin.yaml", "--out", "run", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return RunFolder(folder / "run")


@pytest.fixture
def copy(finished: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def said(found: Verdict) -> str:
    return "\n".join(what for damage in found.damages for what in damage.what)


def test_a_whole_run_is_whole(finished: RunFolder) -> None:
    found = verify(finished.path)
    assert (found.damages, found.missing, found.exit_code) == ((), (), OK)
    edited = [path.parent.name for path in finished.datasets.glob("edit-*/*.json")]
    assert found.pictures > 24 and edited
    done = palimpsest("verify", finished.path, folder=finished.path)
    assert done.returncode == OK and f"verify: whole, dataset digest {found.digest}" in done.stdout


@pytest.mark.parametrize("plant", PLANTS, ids=lambda one: one.__name__.removeprefix("plant_"))
def test_damage_is_found_named_and_made_good(
    copy: RunFolder, finished: RunFolder, plant: Callable[[RunFolder], str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = plant(copy)
    found = verify(copy.path)
    assert found.exit_code == PERMANENT
    assert re.search(words, said(found)), said(found)
    mended = repair(copy.path)
    capsys.readouterr()
    assert mended.exit_code == OK and len(mended.retired) >= 1
    assert mended.digest == verify(finished.path).digest
    untouched = [
        path for path in finished.datasets.glob("ingest/*.json") if plant is not plant_flip
    ]
    for path in untouched:  # an attempt's id is in there: a shard made again has another
        assert (copy.datasets / "ingest" / path.name).read_bytes() == path.read_bytes()


def test_ten_damages_at_once(copy: RunFolder, finished: RunFolder) -> None:
    words = [plant(copy) for plant in PLANTS]
    found = verify(copy.path)
    missed = [one for one in words if not re.search(one, said(found))]
    mended = palimpsest("repair", copy.path, folder=copy.path)
    assert mended.returncode == OK, mended.stdout + mended.stderr
    assert verify(copy.path).digest == verify(finished.path).digest
    assert missed == [], said(found)


def test_what_is_only_missing_is_not_damage(copy: RunFolder) -> None:
    copy.tar(copy.manifest("score", 0)).unlink()
    copy.manifest_path("score", 0).unlink()
    found = verify(copy.path)
    assert (found.damages, found.exit_code) == ((), TRANSIENT)
    assert "score shard 00000 is not committed" in found.missing


def test_retired_shards_wait_for_the_workflow(
    copy: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    plant_flip(copy)
    done = palimpsest("repair", copy.path, "--retire", "--json", folder=copy.path)
    assert done.returncode == OK, done.stderr
    (shards,) = json.loads(done.stdout)["retired"].values()
    assert shards == ["ingest/00000"]
    assert sorted(path.suffix for path in (copy.path / "retired/0001/ingest").iterdir()) == [
        ".json", ".tar"
    ]  # fmt: skip
    assert verify(copy.path).exit_code == TRANSIENT


def test_gc_lists_what_belongs_to_nothing_and_spares_the_rest(
    copy: RunFolder, finished: RunFolder
) -> None:
    assert gc.sweep(copy, grace=0).leftovers == ()
    old: Manifest = copy.manifest("score", 0)
    stray = copy.tar(old).with_name("00000-0123456789abcdef.tar")
    aside = copy.path / f".report.html.{'0' * 32}"
    ended = copy.staging / f"score-00000-{'1' * 32}.part"
    mine = copy.path / "notes.txt"
    for path in (stray, aside, ended, mine):
        path.write_bytes(b"x")
    with Writer(copy, "other", 0, Spool(copy, "other", 0, {})) as alive:
        alive.add("00000000", [("a.json", b"{}")])
        found = gc.sweep(copy, grace=0)
        assert {one.path for one in found.leftovers} == {str(stray), str(aside), str(ended)}
        assert gc.sweep(copy).leftovers == ()  # too young
        assert gc.sweep(copy, delete=True, grace=0).deleted
    assert not stray.exists() and not aside.exists() and not ended.exists() and mine.exists()
    assert verify(copy.path).digest == verify(finished.path).digest


def test_gc_speaks(copy: RunFolder) -> None:
    stray = copy.datasets / "score" / "00000-0123456789abcdef.tar"
    perhaps = stray.with_name("00009-0123456789abcdef.tar")  # its attempt may be about to commit it
    past = time.time() - 2 * gc.GRACE
    for path in (stray, perhaps):
        path.write_bytes(b"x" * 7)
        os.utime(path, (past, past))
    done = palimpsest("gc", copy.path, folder=copy.path)
    assert done.returncode == OK and "committed as another, 7 bytes" in done.stdout
    assert stray.exists() and "--delete" in done.stdout
    assert json.loads(palimpsest("gc", copy.path, "--delete", "--json", folder=copy.path).stdout)[
        "deleted"
    ]
    assert not stray.exists() and perhaps.exists()
    assert "nothing to collect" in palimpsest("gc", copy.path, folder=copy.path).stdout


@pytest.mark.parametrize("command", ["verify", "repair", "gc"])
def test_what_is_no_run_is_said(tmp_path: Path, command: str) -> None:
    done = palimpsest(command, tmp_path, folder=tmp_path)
    assert done.returncode == PERMANENT and "is not a run" in done.stderr
