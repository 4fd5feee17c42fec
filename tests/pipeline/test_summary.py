"""The closing words: nothing that was lost goes unsaid."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import summary
from pipeline.audit import Audit, Counts
from pipeline.config import Config
from pipeline.fates import Fate
from pipeline.shards import RunFolder


def audited(train: int, val: int, filtered: int, **reasons: dict[str, int]) -> Audit:
    stages: dict[str, Counts] = {
        name.replace("_", "-"): Counts(reasons=found) for name, found in reasons.items()
    }
    kept: dict[str, Any] = {"train": train, "val": val, "filtered": filtered}
    stages |= {f"assemble-{split}": Counts(out=n) for split, n in kept.items()}
    samples: dict[Fate, int] = {"kept": train + val, "filtered": filtered, "undecided": 0,
                                "quarantined": 24 - train - val - filtered}  # fmt: skip
    return Audit(run="r", profile="p", digest="d" * 64, samples=samples, missing=(), faults=(),
                 stages=stages)  # fmt: skip


def said(found: Audit, config: Config, path: Path) -> str:
    return summary.closing(found, config, RunFolder(path), 40, 12.3)


def test_every_planned_sample_is_accounted_for(standin: Config, tmp_path: Path) -> None:
    found = audited(12, 4, 3, ingest={"missing-file": 2, "truncated-image": 1},
                    segment={"no-regions": 2}, score={"low-score": 3})  # fmt: skip
    text = said(found, standin, tmp_path)
    assert "Of 24 planned samples 16 were kept (12 to train with, 4 to validate), 3 filtered, "\
           "5 quarantined." in text  # fmt: skip
    assert "3 low-score, 2 missing-file, 2 no-regions, 1 truncated-image" in text
    assert "skipped" not in text


def test_a_turn_that_failed_costs_no_sample(standin: Config, tmp_path: Path) -> None:
    found = audited(18, 6, 0, edit_1_clone={"noop-edit": 2}, edit_2_heal={"noop-edit": 1},
                    prompt_1={"unparsable-prompt": 1})  # fmt: skip
    text = said(found, standin, tmp_path)
    assert "0 quarantined" in text and "declined" not in text
    assert "4 turns (3 noop-edit, 1 unparsable-prompt)" in text
    assert summary.declined(found) == {} and sum(summary.skipped(found).values()) == 4


def test_what_is_to_be_typed_can_be_typed(standin: Config, tmp_path: Path) -> None:
    text = said(audited(18, 6, 0), standin, tmp_path / "my run")
    assert f"palimpsest audit '{tmp_path}/my run'" in text and "; digest dddd" in text
    faulty = audited(18, 6, 0).model_copy(update={"digest": "", "faults": ("one",)})
    assert "(plain webdataset)" in said(faulty, standin, tmp_path)


@pytest.mark.parametrize("ignored, told", [({".txt": 2, "": 1}, True), ({}, False)])
def test_files_that_were_left_out_are_named(
    standin: Config, tmp_path: Path, ignored: dict[str, int], told: bool
) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"ignored": ignored}))
    text = said(audited(18, 6, 0), standin, tmp_path)
    assert ("left out" in text) == told == ("2 .txt, 1 without a suffix" in text)
