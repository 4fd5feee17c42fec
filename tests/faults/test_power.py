"""The power is cut after any call of a run, and what was not fsynced is lost in every way a disk
may lose it: nothing wrong is believed, and the next run ends with the same bytes."""

import shutil
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from pipeline import disk, runs
from tests.faults import mini
from tests.faults.counts import count, limit, seed
from tests.faults.faulty import installed
from tests.faults.power import MOODS, File, Folder, Recorder, materialise, play, states

pytestmark = pytest.mark.slow


@pytest.mark.timeout(limit(3600))
def test_what_a_power_cut_leaves_is_made_whole(tmp_path: Path, said: Callable[[str], None]) -> None:
    chosen = seed()
    recorder = Recorder(tmp_path)
    with installed(recorder):
        run = mini.begun(tmp_path / "clean")
        recorder.calls.append(("make_folder", ("clean",), b""))
        recorder.calls.append(("sync_folder", (".",), b""))
        mini.compute(run)
    wanted = mini.digests(run)
    seen: Counter[str] = Counter()
    for number, mood, tree in islice(states(recorder.calls, chosen), count("power")):
        home = tmp_path / "after"
        materialise(tree, home)
        after = mini.RunFolder(home / "clean")
        if not after.path.exists():
            after.path.mkdir()
        where = f"seed {chosen}: cut after call {number} ({recorder.calls[number][0]}), {mood}"
        standing = mini.digests(after)  # whatever is committed is whole
        assert standing.items() <= wanted.items(), where
        mini.compute(after)
        assert mini.digests(after) == wanted, where
        runs.sweep(after)
        assert list(after.staging.iterdir()) == [], where
        seen[mood] += 1
        shutil.rmtree(home)
    said(f"power cuts: {seen.total()} states after {len(recorder.calls)} calls, "
         + ", ".join(f"{seen[mood]} {mood}" for mood in MOODS)
         + ": none was believed wrongly, each ended with the same bytes")  # fmt: skip
    assert set(seen) == set(MOODS)


def test_the_model_loses_what_was_not_synced() -> None:
    """Else the test above could not fail."""
    calls = [("create", ("a",), b""), ("write", ("a",), b"xyz"), ("link", ("a", "b"), b"")]
    root = Folder()
    for call in calls:
        play(root, call)
    assert root.sure == {} and set(root.now) == {"a", "b"}
    play(root, ("sync_folder", (".",), b""))
    file = root.sure["a"]
    assert isinstance(file, File) and (file.now, file.sure) == (b"xyz", b"")
    play(root, ("sync", ("a",), b""))
    assert file.sure == b"xyz" and root.sure["b"] is file
    found = {str(tree) for _, _, tree in islice(states([*calls], 1), 300)}
    assert str({"a": b""}) in found and str({"b": b"xyz"}) in found and str({}) in found


@pytest.mark.parametrize("forgotten", ["sync", "sync_folder"])
def test_a_writer_that_forgets_to_sync_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    """Without either of them a commit would be believed wrongly sooner or later."""
    recorder = Recorder(tmp_path)
    run = mini.begun(tmp_path / "clean")
    recorder.calls += [("make_folder", ("clean",), b""), ("sync_folder", (".",), b"")]
    with installed(recorder):
        monkeypatch.setattr(recorder, forgotten, lambda *_: None)
        mini.compute(run)
    wanted, wrong = mini.digests(run), 0
    for _, _, tree in islice(states(recorder.calls, 7), 600):
        materialise(tree, tmp_path / "after")
        after = mini.RunFolder(tmp_path / "after" / "clean")
        try:
            assert mini.digests(after).items() <= wanted.items()
        except Exception:
            wrong += 1
        shutil.rmtree(tmp_path / "after")
    assert wrong > 0
    assert disk.system is not recorder
