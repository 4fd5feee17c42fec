"""The audit of a single stage: bytes that rotted, photographs that leaked. test_local.py has the
audit of a whole run."""

import io

import pytest

from pipeline import reading
from pipeline.audit import Audit, audit
from pipeline.config import Config
from pipeline.documents import Source, Split
from pipeline.loop import members
from pipeline.manifest import Manifest
from pipeline.records import Sourced
from pipeline.shards import RunFolder, Writer


def ingest(
    run: RunFolder, config: Config, shard: int, split: Split, sources: str = "abcdefgh"
) -> Manifest:
    facts = {"config": config.digest(), "code": "", "model": "", "seeds": ""}
    keys = config.keys(shard)
    with Writer(run, "ingest", shard) as writer:
        for key, name in zip(keys, sources, strict=True):
            source = Source(source_id=name, split=split, base="ai", family="clone")
            writer.add(key, members(Sourced(source)))
        return writer.commit(keys, [], {}, facts, {})


def audited(run: RunFolder, verify: bool = False) -> Audit:
    return audit(run.path, frozenset({"ingest"}), verify=verify)


def test_a_rotten_byte_is_found_where_every_tar_is_read(run: RunFolder, standin: Config) -> None:
    manifests = [ingest(run, standin, shard, "train") for shard in range(standin.shards)]
    assert audited(run, verify=True).exit_code == 0
    path = run.tar(manifests[1])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # of the tar's end mark: no reader of ours looks there
    path.write_bytes(data)
    assert audited(run).exit_code == 0
    found = audited(run, verify=True)
    assert found.exit_code == 78 and len(found.faults) == 1
    assert f"{path} does not match its digest: delete it and 00001.json" in found.faults[0]


def test_a_tar_cut_short_is_found_by_its_size(run: RunFolder, standin: Config) -> None:
    manifests = [ingest(run, standin, shard, "train") for shard in range(standin.shards)]
    path = run.tar(manifests[0])
    path.write_bytes(path.read_bytes()[:-1])
    (fault,) = audited(run).faults
    assert f"{path} has {manifests[0].bytes - 1} bytes, not {manifests[0].bytes}: delete" in fault


def test_a_source_in_two_splits_is_found(run: RunFolder, standin: Config) -> None:
    ingest(run, standin, 0, "train")
    ingest(run, standin, 1, "val", "ijklmnop")
    ingest(run, standin, 2, "train", "abcdqrst")
    assert audited(run).faults == ()
    run.manifest_path("ingest", 2).unlink()
    ingest(run, standin, 2, "val", "abqrstuv")
    (fault,) = audited(run).faults
    assert "ingest shard 00002 has 2 samples whose source is in two splits" in fault
    assert "00000016 of 'a', in train and here in val" in fault


def test_a_bar_is_drawn_for_large_runs_in_a_terminal_only(
    run: RunFolder, standin: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(run, standin, 0, "train")

    class Screen(io.StringIO):
        terminal = True

        def isatty(self) -> bool:
            return self.terminal

    def drawn(large: bool, terminal: bool) -> str:
        screen = Screen()
        screen.terminal = terminal
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(reading, "WORTH_A_BAR", 0 if large else 1 << 30)
        audited(run, verify=True)
        return screen.getvalue()

    assert "reading" in drawn(large=True, terminal=True)
    assert drawn(large=False, terminal=True) == drawn(large=True, terminal=False) == ""
