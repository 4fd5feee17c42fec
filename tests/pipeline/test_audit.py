"""The audit of a single stage: bytes that rotted, photographs that leaked. test_local.py has the
audit of a whole run."""

import io

import numpy as np
import pytest

from pipeline import reading
from pipeline.audit import Audit, audit
from pipeline.batches import members
from pipeline.config import Config, Reals
from pipeline.documents import Real, Source, Split
from pipeline.manifest import Manifest
from pipeline.records import Sourced, Unedited
from pipeline.shards import RunFolder
from pipeline.writer import Writer


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
    assert f"{path} does not match its digest" in found.faults[0]


def test_a_tar_cut_short_is_found_by_its_size(run: RunFolder, standin: Config) -> None:
    manifests = [ingest(run, standin, shard, "train") for shard in range(standin.shards)]
    path = run.tar(manifests[0])
    path.write_bytes(path.read_bytes()[:-1])
    (fault,) = audited(run).faults
    assert f"{path} has {manifests[0].bytes - 1} bytes, not {manifests[0].bytes}" in fault


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


def with_reals(run: RunFolder, standin: Config, unedited: int, negatives: int) -> Config:
    """The config of `run` with photographs that nobody edits."""
    reals = Reals(unedited=unedited, negatives=negatives)
    config = standin.model_copy(update={"reals": reals})
    (run.path / "config.yaml").write_text(config.to_yaml())
    return config


def untouched(
    run: RunFolder, config: Config, shard: int, sources: dict[str, tuple[str, str]], lost: int = 0
) -> None:
    """A shard of `reals`: source -> (part, split), the last `lost` keys forgotten."""
    facts = {"config": config.digest(), "code": "", "model": "", "seeds": ""}
    keys = config.real_keys(shard)
    with Writer(run, "reals", shard) as writer:
        for key, (name, (part, split)) in zip(keys, sources.items(), strict=True):
            source = {"source_id": name, "split": split, "base": "real"}
            real = Real.model_validate({"source": source, "part": part})
            image = np.zeros((8, 8, 3), np.uint8)
            writer.add(key, members(Unedited(image, image[..., 0], real)))
        writer.commit(keys[: len(keys) - lost], [], {}, facts, {})


GOOD = {"r": ("unedited", "train"), "s": ("unedited", "train"), "t": ("negative", "train"),
        "u": ("negative", "val")}  # fmt: skip


def reals_audited(run: RunFolder) -> Audit:
    return audit(run.path, frozenset({"ingest", "reals"}))


def test_unedited_photographs_are_counted_in_shards_of_their_own(
    run: RunFolder, standin: Config
) -> None:
    config = with_reals(run, standin, 2, 7)
    for shard in range(config.shards):
        ingest(run, config, shard, "train")
    more = {f"v{i}": ("negative", "train") for i in range(4)}
    assert reals_audited(run).missing == tuple(
        f"reals shard {shard:05d} is not committed" for shard in (0, 1)
    )
    untouched(run, config, 0, GOOD | more)
    untouched(run, config, 1, {"w": ("negative", "val")})
    found = reals_audited(run)
    assert found.faults == found.missing == ()
    assert (found.stages["reals"].shards, found.stages["reals"].taken) == (2, 9)
    assert found.stages["ingest"].shards == config.shards


@pytest.mark.parametrize(
    "changes, said",
    [({"a": ("negative", "train")}, "1 pictures of sources that samples are made from, such as "
      "00000028 of 'a'"),
     ({"v": ("unedited", "train")}, "1 pictures that should be negative, such as 00000028 of 'v'"),
     ({"r": ("unedited", "val")}, "1 pictures that should be unedited and in train, such as "
      "00000024 of 'r'"),
     ({"r": ("negative", "train")}, "1 pictures that should be unedited and in train")],
)  # fmt: skip
def test_an_unedited_photograph_in_the_wrong_place_is_a_fault(
    run: RunFolder, standin: Config, changes: dict[str, tuple[str, str]], said: str
) -> None:
    config = with_reals(run, standin, 2, 3)
    for shard in range(config.shards):
        ingest(run, config, shard, "train")
    sources = GOOD | {"v": ("negative", "train")} | changes
    if len(sources) > 5:
        del sources["v"]
    untouched(run, config, 0, sources)
    (fault,) = reals_audited(run).faults
    assert fault.startswith("reals shard 00000 has ") and said in fault


def test_an_unedited_photograph_in_both_splits_or_lost_is_a_fault(
    run: RunFolder, standin: Config
) -> None:
    config = with_reals(run, standin, 2, 7)
    for shard in range(config.shards):
        ingest(run, config, shard, "train")
    untouched(run, config, 0, GOOD | {f"v{i}": ("negative", "train") for i in range(4)})
    untouched(run, config, 1, {"v2": ("negative", "val")}, lost=1)
    lost, twice = reals_audited(run).faults
    assert "reals shard 00001 lost 1 samples it should have taken: 00000032" in lost
    assert "1 pictures of sources that are in the other split, too, such as 00000032 of 'v2'" in (
        twice
    )
