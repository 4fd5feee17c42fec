"""A whole run of which any file rots: one other bit, or a cut, in whatever it holds. `verify` names
each such file, and nothing else; what it passes over is named here."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import OK, PERMANENT, InputError
from pipeline.repair import repair
from pipeline.shards import RunFolder
from pipeline.verify import Verdict, verify
from tests.faults.counts import SEED, count, limit, seed
from tests.faults.test_kill import DATA, finish

pytestmark = pytest.mark.slow
#: What no reader takes for data, by the first part of its path, and why.
PASSED_OVER = {
    "logs": "for whoever watches",
    ".lock": "is empty",
    "README.md": "words for people, made from the index by whatever version published it",
}
#: The files from which all else follows; each is damaged alone.
FOUNDING = ("config.yaml", "run.json")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Where file systems have no links, plain names are copies: here some are, and some are not."""
    folder = tmp_path_factory.mktemp("rot") / "run"
    finish(DATA / "standin.yaml", folder)
    for tar in sorted((folder / "dataset").glob("*.tar"))[::2]:
        copied = tar.with_name(f"copy-{tar.name}")
        shutil.copyfile(tar, copied)
        copied.replace(tar)
    return RunFolder(folder)


def kinds(run: RunFolder) -> dict[str, list[Path]]:
    """The files of a run by kind, each name once of those that are links to the same bytes."""
    found: dict[str, list[Path]] = {}
    seen = set[int]()
    for path in sorted(path for path in run.path.rglob("*") if path.is_file())[::-1]:
        name = path.relative_to(run.path)
        kind = f"shards/*{path.suffix}" if name.parts[0] == "shards" else (
            f"{name.parts[0]}/*.tar" if path.suffix == ".tar" else str(name))  # fmt: skip
        if name.parts[0] in PASSED_OVER or path.name in PASSED_OVER:
            kind = "passed over"
        if path.stat().st_ino not in seen:
            seen.add(path.stat().st_ino)
            found.setdefault(kind, []).append(path)
    return found


def rotten(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """The bytes with one bit changed, or in one case of three cut."""
    if draw.random() < 1 / 3:
        end = draw.randrange(len(data))
        return data[:end], f"cut after byte {end}"
    at, changed = draw.randrange(8 * len(data)), bytearray(data)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed), f"bit {at} flipped"


@contextmanager
def spoiled(paths: list[Path], draw: random.Random) -> Iterator[dict[Path, str]]:
    """Each file damaged where it lies, so that links to it are, too; then put back."""
    whole = {path: path.read_bytes() for path in paths}
    said = {}
    for path, data in whole.items():
        changed, said[path] = rotten(data, draw)
        path.write_bytes(changed)
    try:
        yield said
    finally:
        for path, data in whole.items():
            path.write_bytes(data)


def shard_of(path: Path) -> tuple[str, int]:
    return path.parent.name, int(path.name[:5])


@pytest.mark.timeout(limit(300))
def test_whatever_rots_is_named(run: RunFolder, said: Callable[[str], None]) -> None:
    """Many at once: of each shard the manifest or the tar, or else all that lies beside them."""
    draw = random.Random(seed())
    by_kind = kinds(run)
    shards = by_kind["shards/*.tar"] + by_kind["shards/*.json"]
    beside = [path for kind, paths in by_kind.items() for path in paths
              if path not in shards and kind not in ("passed over", *FOUNDING)]  # fmt: skip
    assert {"edits.parquet", "index.json", "report.html", "report.md"} < {
        one.name for one in beside
    }
    tried: Counter[str] = Counter()
    while tried.total() < count("rot"):
        some = {shard_of(path): path for path in draw.sample(shards, len(shards) // 3)}
        for chosen in (list(some.values()), beside):
            with spoiled(chosen, draw) as how:
                found = verify(run.path)
            tried.update(words.split()[0] for words in how.values())
            where = f"{SEED}={seed()}, after {tried.total()}"
            assert missed(found, how) == [], where
            wanted = set(some) if chosen is not beside else set()
            assert {(one.dataset, one.shard) for one in found.damages} == wanted, where
            assert len(found.files) == len(chosen) - len(wanted), where
    assert verify(run.path).exit_code == OK
    files = ", ".join(f"{len(paths)} {kind}" for kind, paths in sorted(by_kind.items())
                      if kind not in FOUNDING)  # fmt: skip
    said(f"rot: {tried['bit']} flips and {tried['cut']} cuts in a whole run ({files}): each "
         "was named, and nothing else")  # fmt: skip


def missed(found: Verdict, how: dict[Path, str]) -> list[str]:
    """The files that no sentence names."""
    lines = [*(text for damage in found.damages for text in damage.what), *found.files]
    return [f"{path}: {what}" for path, what in how.items()
            if not any(f"{path} " in line for line in lines)]  # fmt: skip


@pytest.mark.parametrize("name", FOUNDING)
def test_a_run_that_is_not_known_for_what_it_was_is_not_made_anew(
    run: RunFolder, name: str, said: Callable[[str], None]
) -> None:
    draw, path, cases = random.Random(seed()), run.path / name, count("rot") // 6
    for _ in range(cases):
        with spoiled([path], draw) as how:
            found = verify(run.path)
            where = f"{SEED}={seed()}: {how[path]}"
            assert missed(found, how) == [] and len(found.files) == 1, where
            assert (found.exit_code, found.damages) == (PERMANENT, ()), where
    assert verify(run.path).exit_code == OK
    said(f"rot: {cases} flips and cuts of {name}, each was named")


def test_what_lies_beside_the_shards_is_written_anew(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = verify(run.path)
    names = {"run.json": 40, "report.md": 7, "dataset/index.json": 30, "dataset/edits.parquet": 9}
    before = {name: (run.path / name).read_bytes() for name in names}
    for name, at in names.items():
        data = bytearray(before[name])
        data[at] ^= 1
        (run.path / name).write_bytes(data)
    mended = repair(run.path)
    said = capsys.readouterr().out
    assert (mended.exit_code, mended.retired, mended.digest) == (OK, {}, whole.digest)
    assert "run.json was written anew" in said and "0 steps computed" in said
    assert {name: (run.path / name).read_bytes() for name in names} == before


def test_a_config_that_changed_is_left_to_its_owner(run: RunFolder, tmp_path: Path) -> None:
    """To believe it would be to retire everything and to make another dataset."""
    copy = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    config, whole = copy.path / "config.yaml", verify(run.path).digest
    data = config.read_bytes()
    config.write_bytes(data.replace(b"seed: 7", b"seed: 5"))
    with pytest.raises(InputError, match="give the profile of this run to .palimpsest run"):
        repair(copy.path)
    assert not (copy.path / "retired").exists()
    assert finish(DATA / "standin.yaml", copy.path) == whole
    assert config.read_bytes() == data and verify(copy.path).exit_code == OK


def test_a_run_json_is_written_anew_only_where_the_shards_vouch_for_the_config(
    run: RunFolder, tmp_path: Path
) -> None:
    copy = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    (copy.path / "run.json").unlink()
    assert "run.json is gone" in verify(copy.path).files[0]
    config = copy.path / "config.yaml"
    config.write_bytes(config.read_bytes().replace(b"seed: 7", b"seed: 5"))
    with pytest.raises(InputError, match="nothing vouches for .*config.yaml"):
        repair(copy.path)
    assert not (copy.path / "run.json").exists()
