"""Seeded schedules of evictions, kills, duplicate starts, stalls and a sick disk: each ends with
every shard committed once, with the bytes of an undisturbed run."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import local, runs
from pipeline.errors import OK
from pipeline.shards import RunFolder
from tests.faults import mini
from tests.faults.counts import count, limit, seed
from tests.faults.simulate import EVENTS, World, simulated

pytestmark = pytest.mark.slow
#: Times that an operator runs it again before something else must be wrong.
AGAIN = 200


def lived(path: Path, number: int, patch: pytest.MonkeyPatch) -> World:
    """One run under the schedule of a seed, run again whenever it gave up."""
    run = mini.begun(path)
    world = World(run, number)
    with simulated(world, patch):
        for _ in range(AGAIN):
            runs.sweep(run)
            code, _ = local.Executor(mini.STAGES, mini.config(), run).run()
            if code == OK:
                break
        assert code == OK, f"seed {number} gave up"
        world.drain()  # zombies and duplicates end after everything is committed
    return world


def check(world: World, wanted: dict[str, str], number: int) -> None:
    where = f"PALIMPSEST_SEED={number}"
    assert world.bugs == [], where
    assert mini.digests(world.run) == wanted, where
    for path, then in world.committed.items():
        assert (world.run.path / path).read_bytes() == then, f"{where}: {path} changed"
    assert len(world.committed) == len(wanted), where
    assert not world.run.diverged.exists(), where
    runs.sweep(world.run)
    left = [path.name for path in world.run.staging.iterdir()]
    assert left == [], where


@pytest.mark.timeout(limit(7200))
def test_every_schedule_ends_with_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: Callable[[str], None],
) -> None:
    mini.compute(mini.begun(tmp_path / "clean"), shards=mini.SHARDS)
    wanted = mini.digests(RunFolder(tmp_path / "clean"))
    first = seed()
    seen: Counter[str] = Counter()
    steps = 0
    for number in range(first, first + count("simulation")):
        world = lived(tmp_path / "run", number, monkeypatch)
        check(world, wanted, number)
        seen += world.seen
        steps += len(world.trace)
        shutil.rmtree(tmp_path / "run")
        capsys.readouterr()
    events = ", ".join(f"{seen[name]} {name}" for name in EVENTS)
    said(f"seeds {first} to {number}: {steps} disk calls; {events}; every run ended with the same "
         "bytes")  # fmt: skip
    assert set(seen) == set(EVENTS)


def test_a_seed_is_a_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = seed()
    one = lived(tmp_path / "one", number, monkeypatch)
    two = lived(tmp_path / "two", number, monkeypatch)
    assert one.trace == two.trace and one.seen == two.seen, number


def test_the_checker_notices_a_commit_that_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lived(tmp_path / "run", 1, monkeypatch)
    wanted = mini.digests(world.run)
    path = world.run.manifest_path("second", 1)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(Exception, match="second|00001"):
        check(world, wanted, 1)
