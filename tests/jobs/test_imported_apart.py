"""A pair that ends the process which reads or decodes it costs itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import imported
from pipeline import released
from pipeline.errors import InputError
from pipeline.shards import RunFolder, join
from tests.jobs import poison
from tests.jobs.here import Here
from tests.jobs.published import pairs, parquet, zipped
from tests.jobs.test_imported import chosen, refused, take

#: By a pair's number: the half that is poisoned, and how it ends who decodes it.
BAD = {3: (0, "fault", "was ended by SIGSEGV"), 4: (1, "SIGKILL", "was ended by SIGKILL"),
       9: (0, "exit", "ended with exit code 3")}  # fmt: skip
COUNT = 12
ZIP = "train.zip/train_copy/"


def kept(run: RunFolder) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Picture and mask by the name of the pair."""
    return {
        row.get("sample", "Sample").source.file: (row.raw("image.png"), row.raw("mask.png"))
        for split in ("train", "val")
        for path in sorted((run.datasets / f"assemble-{split}").glob("*.json"))
        for row in join(run, (f"assemble-{split}",), int(path.stem)).rows.values()
    }


def test_a_pair_that_ends_its_decoder_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = pairs(0, COUNT)
    for number, (half, how, _) in BAD.items():
        both = list(some[f"{number:08d}"])
        both[half] = poison.poisoned(both[half], how)
        some[f"{number:08d}"] = both[0], both[1]
    path = zipped(tmp_path / "train.zip", some)
    with monkeypatch.context() as patched:
        patched.setattr(imported, "Apart", Here)
        clean = kept(take(path, tmp_path / "clean"))  # by decoders that do not mind
    assert len(clean) == COUNT
    monkeypatch.setattr(imported, "look", poison.look)
    run = take(path, tmp_path / "run")
    found = {**refused(run), **refused(run, "assemble-val")}
    expected = {
        f"{ZIP}{number:08d}: the process that opened it {says}": "unreadable-image"
        for number, (_, _, says) in BAD.items()
    }
    assert found == expected
    bad = {f"{ZIP}{number:08d}" for number in BAD}
    assert kept(run) == {name: both for name, both in clean.items() if name not in bad}
    assert capsys.readouterr().out.count(" the process that opened train.") == len(BAD)


def test_a_pair_that_ends_its_reader_costs_itself_and_another_reads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = pairs(0, COUNT)
    some = clean | {
        name: (poison.poisoned(image, "reader"), mask)
        for name, (image, mask) in clean.items() if int(name) in BAD
    }  # fmt: skip
    monkeypatch.setattr(imported, "read", poison.read)
    run = take(parquet(tmp_path / "train.parquet", some), tmp_path / "run")
    found = {**refused(run), **refused(run, "assemble-val")}
    assert found == {
        f"train.parquet/{number}: the process that opened it was ended by SIGSEGV":
        "unreadable-image" for number in BAD
    }  # fmt: skip
    assert kept(run).keys() == {f"train.parquet/{n}" for n in range(COUNT) if n not in BAD}


@pytest.mark.parametrize("layout", ["zip", "parquet"])
def test_a_file_that_ends_who_lists_it_is_named(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"train.{layout}"
    (zipped if layout == "zip" else parquet)(path, pairs(0, 3))
    assert released.filled(chosen(), tmp_path).samples == 3
    with open(path, "ab") as out:
        out.write(poison.poisoned(b"", "fault"))
    monkeypatch.setattr(released, "inside", poison.inside)
    with pytest.raises(InputError, match=rf"opened .*train.{layout} was ended by SIGSEGV: fetch"):
        released.filled(chosen(), tmp_path)
