"""Costs: reckoned by hand, and whatever the run, the shares add up."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import cli, cost, cost_text, reading
from pipeline.cost import Cost, Line, makes_samples, reckon
from pipeline.dag import dag
from pipeline.errors import CorruptData, guard
from pipeline.fates import FATES
from pipeline.shards import RunFolder
from tests.pipeline.cost_run import KEYS, assembled, begun, commit

PRICES = {"prices": {"gpu_hour": 3.6, "cpu_hour": 0.36, "currency": "EUR"}}


def by_name(found: Cost) -> dict[str, Line]:
    return {one.name: one for one in (*found.stages, *found.families, *found.totals)}


def painted(path: Path, **keys: object) -> Cost:
    """Shard 0 as a run ends: samples 0 and 2 kept, 1 filtered, 3 lost. Shard 1 has only begun."""
    run, config = begun(path, **keys)
    commit(run, "ingest", 0, KEYS[:4], 4.0)
    commit(run, "edit-1-clone", 0, KEYS[:2], 10.0, load=6.0)
    commit(run, "edit-1-heal", 0, KEYS[2:4], 2.0, {KEYS[3]: "noop-edit"})
    commit(run, "edit-2-heal", 0, [], 0.4)  # nobody's turn, and yet it took its time
    commit(run, "edit-2-clone", 0, KEYS[:1], 3.0, salvaged=1, salvaged_seconds=1.0)
    assembled(run, 0, train="0", val="2", filtered="1")
    commit(run, "ingest", 1, KEYS[4:], 8.0)
    commit(run, "edit-1-clone", 1, KEYS[4:6], 5.0)
    return reckon(run, config)


def test_seconds_go_where_the_samples_went(tmp_path: Path) -> None:
    found = painted(tmp_path / "run")
    assert found.samples == {"kept": 2, "filtered": 1, "quarantined": 1, "undecided": 4}
    lines = by_name(found)
    expected = {
        "ingest": (2.0, 1.0, 1.0, 8.0),
        "edit-1-clone": (5.0, 5.0, 0.0, 5.0),
        "edit-1-heal": (1.0, 0.0, 1.0, 0.0),
        "edit-2-heal": (0.2, 0.1, 0.1, 0.0),
        "edit-2-clone": (4.0, 0.0, 0.0, 0.0),
        "clone": (9.0, 5.0, 0.0, 5.0),
        "heal": (1.2, 0.1, 1.1, 0.0),
        "others": (2.0, 1.0, 1.0, 8.0),
        "all": (12.2, 6.1, 2.1, 13.0),
    }
    for name, seconds in expected.items():
        assert tuple(lines[name].fates[fate] for fate in FATES) == pytest.approx(seconds), name
    assert lines["edit-1-clone"].load == 6.0 and lines["edit-1-clone"].shards == 2
    assert lines["edit-2-clone"].salvaged == 1.0 and lines["edit-2-clone"].seconds == 4.0


def test_the_kept_pay_for_what_was_decided_with_them(tmp_path: Path) -> None:
    lines = by_name(painted(tmp_path / "run"))
    assert lines["ingest"].per_kept_sample == pytest.approx(4.0 / 2)
    assert lines["edit-1-clone"].per_kept_sample == pytest.approx(10.0 / 2), "shard 1 is undecided"
    # clone painted sample 0 twice and sample 1, which was filtered; heal sample 2 and in vain 3
    assert (lines["clone"].edits, lines["heal"].edits, lines["others"].edits) == (2, 1, None)
    assert lines["clone"].per_kept_edit == pytest.approx(14.0 / 2)
    assert lines["heal"].per_kept_edit == pytest.approx(2.4 / 1)
    assert lines["all"].per_kept_edit == pytest.approx(16.4 / 3)
    assert lines["all"].per_kept_sample == pytest.approx(20.4 / 2)


def test_base_pictures_are_in_a_familys_samples_but_not_in_its_edits(tmp_path: Path) -> None:
    run, config = begun(tmp_path / "run")
    assert "generate-clone" in {stage.name for stage in dag(config)}
    commit(run, "generate-clone", 0, KEYS[:2], 6.0)
    commit(run, "edit-1-clone", 0, KEYS[:1], 4.0)
    assembled(run, 0, train="01")
    clone = by_name(reckon(run, config))["clone"]
    assert (clone.seconds, clone.per_kept_sample, clone.per_kept_edit) == (10.0, 5.0, 4.0)


def test_a_gpu_is_no_cpu_and_a_training_holds_one_for_each_process(tmp_path: Path) -> None:
    detector = {"encoder": "resnet18", "pretrained": False, "size": 64, "batch": 4, "processes": 2}
    run, config = begun(
        tmp_path / "run", families={"sdxl": 3}, editing={"weights": "tiny", "device": "cuda"},
        detectors={"deeplabv3plus": {**detector, "tasks": ["binary"]}}, protocols={"table2": []},
        reals={"negatives": 2}, replays={"sdxl_lora": "sdxl"}, **PRICES,
    )  # fmt: skip
    commit(run, "ingest", 0, KEYS[:4], 10.0)
    commit(run, "edit-1-sdxl", 0, KEYS[:4], 100.0, gpu="NVIDIA H100")
    commit(run, "replay-sdxl-lora-1-sdxl-lora", 0, KEYS[:1], 20.0, gpu="NVIDIA H100")
    commit(run, "reals", 0, ["00000008", "00000009"], 5.0)
    commit(run, "train-deeplabv3plus-binary", 0, ["model"], 50.0, gpu="NVIDIA L4")
    assembled(run, 0, train="0123")
    found = reckon(run, config)
    assert [(one.device, one.seconds, one.money) for one in found.totals] == [
        ("gpu", 100.0, 0.1), ("cpu", 10.0, 0.001),
    ]  # fmt: skip
    assert [one.money_per_kept_sample for one in found.totals] == [0.025, 0.00025]
    assert [(one.name, one.device) for one in found.families] == [
        ("sdxl", "gpu"), ("others", "cpu")]  # fmt: skip
    apart = {one.name: one for one in found.apart if one.shards}
    assert {name: (one.device, one.seconds, one.money) for name, one in apart.items()} == {
        "reals": ("cpu", 5.0, 0.0005), "replay-sdxl-lora-1-sdxl-lora": ("gpu", 20.0, 0.02),
        "train-deeplabv3plus-binary": ("gpu", 100.0, 0.1),
    }  # fmt: skip
    assert found.gpus == {"NVIDIA H100": 120.0, "NVIDIA L4": 100.0}
    said = " ".join(cost_text.as_text(found).split())
    assert "3 min 40 s of GPUs at 3.60 EUR an hour: 0.2200 EUR; 15 s of CPUs at 0.3600 EUR" in said
    assert "A kept sample took 25 s of a GPU (0.0250 EUR) and 2.50 s of a CPU (0.0003 EUR)" in said
    assert "together 0.0253 EUR." in said


@pytest.mark.parametrize(
    "prices, told, column",
    [({}, "No money is told: prices.gpu_hour and prices.cpu_hour are not", False),
     ({"cpu_hour": 0.0}, "at 0.00 USD an hour: 0.00 USD", True),
     ({"gpu_hour": 3.6}, "33 s of CPUs without a price (prices.cpu_hour is not in", True)],
)  # fmt: skip
def test_no_price_is_made_up(
    tmp_path: Path, prices: dict[str, float], told: str, column: bool
) -> None:
    found = painted(tmp_path / "run", prices=prices)
    text = cost_text.as_text(found)
    assert told in text and ("USD" in text) == column
    known = {one.money is not None for one in (*found.stages, *found.families, *found.totals)}
    assert known == {"cpu_hour" in prices}


def test_what_was_not_used_is_said_in_a_sentence(tmp_path: Path) -> None:
    run, config = begun(tmp_path / "run")
    commit(run, "ingest", 0, KEYS[:4], 400.0)
    commit(run, "ingest", 1, KEYS[4:], 12.0)
    assembled(run, 0, train="01", filtered="2")
    assembled(run, 1, filtered="0123")
    said = " ".join(cost_text.as_text(reckon(run, config)).split())
    assert "of 8 planned samples 2 kept, 5 filtered, 1 quarantined" in said
    assert ("Of 412.0 CPU-seconds 112.0 (27 %) went into samples that were filtered and 100.0 "
            "(24 %) into samples that were quarantined.") in said  # fmt: skip
    assert "attempts that were killed, which leave no manifest" in said
    assert "A kept sample took 3 min 26 s of a CPU." in said and "undecided" not in said


def test_a_run_that_was_long_is_told_in_hours(tmp_path: Path) -> None:
    run, config = begun(tmp_path / "run")
    commit(run, "ingest", 0, KEYS[:4], 3600 * 1100)
    assembled(run, 0, train="012")
    said = " ".join(cost_text.as_text(reckon(run, config)).split())
    assert ("Of 1,100 CPU-hours none went into samples that were filtered and 275 (25 %) into "
            "samples that were quarantined.") in said  # fmt: skip


def test_a_run_that_is_not_complete_says_how_far_it_is(tmp_path: Path) -> None:
    text = cost_text.as_text(painted(tmp_path / "run"))
    stages = 2 * (4 + 2 + 3 * 3 + 1 + 3)  # ..., generate, prompt and edits, score, assemble
    assert f"This run is not complete: 10 of {stages + 2} shards of all stages" in text
    assert "4 samples are undecided" in text and " undec " in text


def test_a_run_not_begun_has_nothing_to_divide_by(tmp_path: Path) -> None:
    run, config = begun(tmp_path / "run", **PRICES)
    found = reckon(run, config)
    assert {one.per_kept_sample for one in found.totals} == {None}
    text = cost_text.as_text(found)
    assert "0 of" in text and "nan" not in text and "inf" not in text


def test_an_imported_dataset_has_no_edits_of_ours(tmp_path: Path) -> None:
    run, config = begun(tmp_path / "run", imported={"dataset": "diffseg30k", "path": "/nowhere"})
    commit(run, "ingest", 0, KEYS[:4], 1.0)
    commit(run, "assemble-train", 0, KEYS[:2], 6.0, {KEYS[1]: "unusable-mask"})
    commit(run, "assemble-val", 0, KEYS[2:4], 6.0)
    commit(run, "assemble-filtered", 0, [], 0.0)
    found = reckon(run, config)
    assert found.samples == {"kept": 3, "filtered": 0, "quarantined": 1, "undecided": 4}
    (others,) = found.families
    assert others.edits is None and others.fates["quarantined"] == pytest.approx(0.25 + 3.0)


def test_lines_are_no_wider_than_a_terminal(tmp_path: Path) -> None:
    """With every column that there can be, long names and centuries of work."""
    long = "a_family_whose_name_is_longer_than_any_of_those_that_are_known"
    run, config = begun(tmp_path / ("long" * 40), **PRICES)
    commit(run, "ingest", 0, KEYS[:4], 3.6e9)
    commit(run, "edit-1-clone", 0, KEYS[:4], 3.6e9)
    commit(run, "index", 0, ["index"], 3.6e9)
    assembled(run, 0, train="012")
    found = reckon(run, config)
    wide = tuple(one.model_copy(update={"name": long}) for one in found.families)
    text = cost_text.as_text(found.model_copy(update={"families": wide, "gpus": {long: 3.6e9}}))
    lines = [line for line in text.split("\n") if "longlong" not in line]
    assert max(map(len, lines)) == cost_text.WIDTH and "…" in text


def test_the_command_prints_a_table_or_all_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = painted(tmp_path / "run")
    assert cli.main(["cost", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.rstrip("\n") == cost_text.as_text(found)
    assert cli.main(["cost", "--json", str(tmp_path / "run")]) == 0
    assert Cost.model_validate(json.loads(capsys.readouterr().out)) == found


def test_no_run_and_a_damaged_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(cli.main, ["cost", str(tmp_path)]) == 78
    assert "is not a run: it has no config.yaml" in capsys.readouterr().err
    run, config = begun(tmp_path / "run")
    commit(run, "ingest", 0, KEYS[:4], 1.0)
    path = run.manifest_path("ingest", 0)
    path.write_bytes(path.read_bytes().replace(b'"seconds":1.0', b'"seconds":9.0'))
    with pytest.raises(CorruptData, match="00000.json is not a manifest .*: `palimpsest repair"):
        reckon(run, config)


def test_what_is_read_is_told(tmp_path: Path) -> None:
    painted(tmp_path / "run")
    run, config = RunFolder(tmp_path / "run"), cost.read_run(tmp_path / "run")
    told: list[int] = []
    reckon(run, config, told=told.append)
    assert sum(told) == reading.stored(run, "json") > 1000


COUNTS = st.sampled_from(["train", "val", "filtered", ""])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_run_the_shares_add_up(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run, config = begun(Path(folder) / "run", turns={1: 1.0}, **PRICES)
        stages = [stage for stage in dag(config) if makes_samples(stage)]
        total = 0.0
        for shard in range(config.shards):
            fate = {key: data.draw(COUNTS) for key in config.keys(shard)}
            for stage in (one for one in stages if not one.name.startswith("assemble")):
                if not data.draw(st.booleans()):
                    continue
                keys = sorted(data.draw(st.sets(st.sampled_from(sorted(fate)))))
                lost = {key: "noop-edit" for key in keys if data.draw(st.booleans())}
                seconds = round(data.draw(st.floats(0, 1e4)), 3)
                commit(run, stage.name, shard, keys, seconds, lost)
                total += seconds
            if data.draw(st.booleans()):
                assembled(run, shard, **{
                    split: "".join(str(int(k) % 4) for k in fate if fate[k] == split)
                    for split in ("train", "val", "filtered")})  # fmt: skip
        check(reckon(run, config), total)


def check(found: Cost, total: float) -> None:
    """Three ways to cut the same seconds, and each line by fate."""
    for lines in (found.stages, found.families, found.totals):
        assert sum(one.seconds for one in lines) == pytest.approx(total, abs=1e-3)
        assert sum(sum(one.fates.values()) for one in lines) == pytest.approx(total, abs=1e-3)
        for one in lines:
            assert sum(one.fates.values()) == pytest.approx(one.seconds, abs=1e-4)
            assert one.money == pytest.approx(one.seconds / 3600 * 0.36, abs=1e-5)
    (whole,) = found.totals
    decided = whole.seconds - whole.fates["undecided"]
    for lines in (found.stages, found.families):
        parts = [one.per_kept_sample for one in lines]
        if found.samples["kept"]:
            assert sum(part or 0.0 for part in parts) == pytest.approx(whole.per_kept_sample or 0.0,
                                                                       abs=1e-3)  # fmt: skip
            assert (whole.per_kept_sample or 0.0) * found.samples["kept"] == pytest.approx(
                decided, abs=1e-3)  # fmt: skip
        else:
            assert set(parts) == {None}
    assert sum(one.edits or 0 for one in found.families) == whole.edits
    assert sum(found.samples.values()) == found.planned
