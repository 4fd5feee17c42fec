"""A disk that is really full: what is written ends with code 75 and names the path; with more room
the run goes on to the same bytes."""

import multiprocessing
import os
import random
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from pipeline import runs
from pipeline.errors import OK, TRANSIENT
from pipeline.shards import RunFolder
from tests.faults import mini
from tests.faults.counts import SEED, count, seed
from tests.faults.forks import ended
from tests.faults.test_kill import DATA, finish, start

pytestmark = pytest.mark.slow
PAGE = resource.getpagesize()
#: Distinct sizes at which a run must have failed, for a test to say anything.
LEAST = 10
MIB = 1 << 20


def mount(place: Path, how: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(place: Path, how: str) -> Iterator[Path]:
    """A file system as small as `how` says; skips where this user may not mount one."""
    place.mkdir()
    if os.geteuid() or not mount(place, how):
        pytest.skip("only root may mount a tmpfs; the test of file sizes stands for this one")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def attempt(run: RunFolder, most: int = 0) -> tuple[int, str]:
    """All of the small run, in a process whose files may have `most` bytes; its exit code, and what
    it said."""

    def compute() -> int:
        if most:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        mini.compute(run, shards=mini.SHARDS)
        return OK

    return ended(compute)


def named(said: str, below: Path) -> Path:
    """The path that a sentence about a full disk names."""
    found = re.search(r"^palimpsest: [A-Z].* writing (.*): make room or wait", said, re.M)
    assert found and "Traceback" not in said, said
    assert Path(found[1]).is_relative_to(below), said
    return Path(found[1])


def filled(home: Path, grow: Callable[[int], int], where: str) -> list[str]:
    """Try the run with more and more room until it is done, and return below which folder each
    failure was. `grow`, told how often it was called before, makes room and returns the most bytes
    that a file may have."""
    run, failed = mini.begun(home / "run"), list[str]()
    mini.compute(mini.begun(home.with_suffix(".clean")), shards=mini.SHARDS)
    wanted = mini.digests(RunFolder(home.with_suffix(".clean")))
    code = TRANSIENT
    while code != OK:
        code, words = attempt(run, grow(len(failed)))
        assert code in (OK, TRANSIENT), f"{where}, size {len(failed)}: {words}"
        if code == TRANSIENT:
            failed.append(named(words, home).relative_to(home).parts[1])
        standing = mini.digests(run)  # whatever is committed is whole
        assert standing.items() <= wanted.items(), f"{where}, size {len(failed)}"
    assert mini.digests(run) == wanted and not list(run.staging.iterdir()), where
    return failed


def told(failed: list[str]) -> str:
    each = ", ".join(f"{failed.count(name)} below {name}/" for name in sorted(set(failed)))
    return f"{len(failed)} sizes were too small ({each}): code 75 each time, then the same bytes"


@pytest.mark.parametrize("what", ["bytes", "files"])
def test_a_disk_that_grows(tmp_path: Path, said: Callable[[str], None], what: str) -> None:
    first = f"size={4 * PAGE}" if what == "bytes" else "nr_inodes=6"
    with (
        small_disk(tmp_path / "disk", first) as home,
        multiprocessing.get_context("forkserver").Pool(1) as pool,
    ):
        failed = pool.apply(on_a_disk, (home, what))
    said(f"a disk that is full of {what}: {told(failed)}")
    assert len(failed) >= LEAST


def on_a_disk(home: Path, what: str) -> list[str]:
    """With a page, or a file, more each time."""

    def grow(times: int) -> int:
        more = f"size={(5 + times) * PAGE}" if what == "bytes" else f"nr_inodes={7 + times}"
        assert mount(home, f"remount,{more}")
        return 0

    return filled(home, grow, what)


def test_files_that_may_grow(tmp_path: Path, said: Callable[[str], None]) -> None:
    """The stand-in for a full disk that needs no rights."""
    (tmp_path / "home").mkdir()
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        failed = pool.apply(with_limits, (tmp_path / "home", seed()))
    said(f"files that may not grow: {told(failed)}")
    assert len(failed) >= LEAST


def with_limits(home: Path, chosen: int) -> list[str]:
    draw, sizes = random.Random(chosen), [0]

    def grow(times: int) -> int:
        sizes.append(sizes[-1] + draw.randint(64, 512))
        return sizes[-1]

    return filled(home, grow, f"{SEED}={chosen}")


def small_profile(folder: Path) -> Path:
    """A whole run of few samples, none of whose stages is tried twice."""
    known = yaml.safe_load((DATA / "standin.yaml").read_text())
    known |= {"samples": 8, "local": {"partitions": 1, "retries": 0}}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(known))
    return path


def fill(home: Path, left: int) -> Path:
    """A file that leaves so many bytes free."""
    free = os.statvfs(home)
    ballast = home / "ballast"
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(PAGE, free.f_bavail * free.f_frsize - left))
    return ballast


def test_a_whole_run_on_a_disk_that_fills(tmp_path: Path, said: Callable[[str], None]) -> None:
    """The executor's own files, logs and the plain names of the results are on that disk, too."""
    profile, draw = small_profile(tmp_path), random.Random(seed())
    clean = finish(profile, tmp_path / "clean")
    need = sum(one.stat().st_blocks * 512 for one in (tmp_path / "clean").rglob("*"))
    with small_disk(tmp_path / "disk", f"size={runs.MINIMUM_FREE + 4 * MIB}") as home:
        log, full, fitted = tmp_path / "run.log", 0, 0
        (home / "run.log").symlink_to(log)  # what is said must be heard
        while full < count("full") and fitted < 20:
            out = home / "run"
            with start(profile, out) as run:
                while not (out / "config.yaml").exists() and run.poll() is None:
                    time.sleep(0.001)
                ballast = fill(home, left := draw.randrange(PAGE, int(need * 0.9)))
                code = run.wait(timeout=300)
            words = log.read_text()
            where = f"{SEED}={seed()}, {left} bytes left: {words[-2000:]}"
            assert code in (OK, TRANSIENT) and "Traceback" not in words, where
            place = re.escape(str(out))
            named = re.search(rf"(writing (the log|{place})|disk of {place}).*: make room", words)
            assert (code == OK) != bool(named), where
            ballast.unlink()
            assert finish(profile, out) == clean, where
            full += code == TRANSIENT
            fitted += code == OK  # it had come further than we thought before the disk was filled
            shutil.rmtree(out)
            log.unlink()
    assert full == count("full")
    said(f"a whole run on a disk that fills: {full} times code 75, then digest {clean[:16]}")
