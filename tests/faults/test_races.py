"""Three processes at one shard at once: one commit, which never changes, whoever loses."""

import multiprocessing
import multiprocessing.pool
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from pipeline.loop import work
from pipeline.shards import RunFolder
from tests.faults import mini
from tests.faults.counts import count, limit, seed

pytestmark = pytest.mark.slow
WRITERS = 3


def _race(path: str, stage: int, salt: str, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    one = mini.STAGES[stage]
    work(mini.context(RunFolder(Path(path)), one, (0, mini.SHARDS)), mini.job(one, salt=salt))


@pytest.fixture(scope="module")
def pool() -> Iterator[multiprocessing.pool.Pool]:
    with multiprocessing.get_context("forkserver").Pool(WRITERS) as found:
        yield found


@pytest.mark.timeout(limit(3600))
@pytest.mark.parametrize("alike", [True, False], ids=["same bytes", "other bytes"])
def test_racing_writers(
    tmp_path: Path, alike: bool, pool: multiprocessing.pool.Pool,
    said: Callable[[str], None],
) -> None:  # fmt: skip
    diverged = 0
    for number in range(count("races")):
        run = mini.begun(tmp_path / f"run-{number}")
        for stage, one in enumerate(mini.STAGES):
            start = time.time() + 0.01
            todo = [(str(run.path), stage, "" if alike else f" {i}", start) for i in range(WRITERS)]
            pool.starmap(_race, todo)
            (manifest,) = (run.datasets / one.name).glob("*.json")
            (tar,) = (run.datasets / one.name).glob("*.tar")
            found = run.manifest(one.name, 0)
            run.verify(found)
            assert (manifest.name, tar.name) == ("00000.json", found.tar)
            losers = list((run.diverged / one.name).glob("*.json"))
            assert not alike or not losers
            assert found.tar.removesuffix(".tar") not in {path.stem for path in losers}
            diverged += len(losers)
            parents = {name: run.manifest(name, 0).sha256 for name in one.reads}
            assert found.parents == parents
        assert list(run.staging.iterdir()) == []
    said(f"{count('races')} rounds x {WRITERS} writers x {len(mini.STAGES)} shards, "
         f"{diverged} came second with other bytes: one commit each")  # fmt: skip
    assert alike or diverged > 0


REASONS = ("", "", "", "low-score", "nan-latents", "empty-mask")


@pytest.mark.timeout(limit(3600))
def test_no_sample_is_lost_or_doubled(tmp_path: Path, said: Callable[[str], None]) -> None:
    tried, samples = 0, 0

    @seeded(seed())
    @settings(max_examples=count("conservation"), deadline=None, database=None)
    @given(st.lists(st.sampled_from(REASONS), min_size=36, max_size=36))
    def each_is_accounted_for(outcomes: list[str]) -> None:
        nonlocal tried, samples
        tried, samples = tried + 1, samples + mini.SAMPLES
        run = mini.begun(tmp_path / f"run-{tried}")
        accounted(run, outcomes)
        shutil.rmtree(run.path)

    each_is_accounted_for()
    said(f"conservation: {tried} cases, {samples} samples, none lost or doubled")
    assert tried >= count("conservation") / 2


def accounted(run: RunFolder, outcomes: list[str]) -> None:
    """Whatever is declined where: each stage answers for exactly what the one before let through,
    counted from the tars, not from what the manifests say of them."""
    fate = {(stage.name, f"{i:08d}"): outcomes[n * mini.SAMPLES + i]
            for n, stage in enumerate(mini.STAGES) for i in range(mini.SAMPLES)}  # fmt: skip
    mini.compute(run, lambda stage, key: fate[stage, key], shards=mini.SHARDS)
    there = {f"{i:08d}" for i in range(mini.SAMPLES)}
    for stage in mini.STAGES:
        taken: list[str] = []
        kept: set[str] = set()
        for shard in range(mini.SHARDS):
            manifest = run.manifest(stage.name, shard)
            taken += manifest.ids_in
            names = _names(run.tar(manifest).read_bytes())
            assert len(names) == len(set(names))
            kept |= {name.partition(".")[0] for name in names}
            wanted = {key: fate[stage.name, key] for key in manifest.ids_in}
            assert {one.key: one.reason for one in manifest.rejected} == {
                key: why for key, why in wanted.items() if why
            }
        assert sorted(taken) == sorted(there), stage.name
        assert kept == {key for key in there if fate[stage.name, key] in ("", "low-score")}
        there = kept


def _names(tar: bytes) -> list[str]:
    """By walking the headers of a plain tar."""
    found, place = [], 0
    while place + 512 <= len(tar) and tar[place]:
        head = tar[place : place + 512]
        found.append(head[:100].rstrip(b"\0").decode())
        size = int(head[124:135], 8)
        place += 512 + -(-size // 512) * 512
    return found
