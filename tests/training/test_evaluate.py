"""Every protocol on a run whose pictures say who edited them, by detectors that read this off and
by one that sees nothing: all figures can be worked out by hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from pipeline.batches import members
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.documents import Curve, Edit, History, Metrics, Source, Task
from pipeline.errors import CorruptData, InputError
from pipeline.manifest import Manifest
from pipeline.protocols import Trial
from pipeline.records import Edited, Generated, Sourced, Trained
from pipeline.shards import RunFolder, join
from pipeline.writer import Writer
from tests.training.conftest import FACTS, Runs
from training import detectors, evaluate, subsets
from training.cache import RESAMPLER
from training.recipes import Recipe

Bytes = NDArray[np.uint8]
SIDE, SQUARE, SAMPLES = 64, 32, 16
FAMILIES = {"sdxl": 3, "flux": 7}
#: Red, by class: untouched, sdxl, flux.
RED = (0, 60, 120)
#: The val split: every fourth sample. Two squares of 32 px, one a turn, never overlap.
VAL = {3: ("sdxl",), 7: ("flux",), 11: ("sdxl", "flux"), 15: ("flux", "sdxl")}
PAINTED = {i: VAL.get(i, ("sdxl",) if i % 2 else ("flux", "sdxl")) for i in range(SAMPLES)}
PIXELS, ONE = SIDE**2, SQUARE**2


def key(number: int) -> str:
    return f"{number:08d}"


class Coloured(Runs):
    """Pictures whose red channel is who painted."""

    @staticmethod
    def picture(number: int, size: int) -> tuple[Bytes, Bytes]:
        image, mask = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
        for turn, family in enumerate(PAINTED.get(number, ())):
            square = np.s_[turn * SQUARE : (turn + 1) * SQUARE, turn * SQUARE : (turn + 1) * SQUARE]
            mask[square] = FAMILIES[family]
            image[square] = RED[1 + list(FAMILIES).index(family)]
        image[..., 1] = 100  # the reals' pictures are not black either
        return image, mask


class Reader(nn.Module):
    """Reads the class of each pixel off its red value: the nearest of RED, by one linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, classes, 1)
        reds = torch.tensor(RED if classes == 3 else (0, 60)) / 255
        with torch.no_grad():
            self.encoder.weight.zero_()
            self.encoder.weight[:, 0, 0, 0] = 1000 * 2 * reds
            self.encoder.bias.copy_(-1000 * reds**2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.encoder(pixels)
        return found


class Judge(Reader):
    """Whether any pixel is red: the logit is far above 0, or below."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        told = super().forward(pixels)
        return (told[:, 1:2] - told[:, :1]).amax(dim=(2, 3))


@pytest.fixture(autouse=True)
def _detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """`reader` and `judge` stand in for the networks of two real detectors."""

    def build(name: str, classes: int, encoder: str, weights: Path | None) -> nn.Module:
        return (Reader if name == "deeplabv3plus" else Judge)(classes)

    monkeypatch.setattr(detectors, "build", build)


@pytest.fixture
def made(tmp_path: Path) -> tuple[RunFolder, Config]:
    """The run: four samples of val, eight negatives of which two are in val."""
    run, config = Coloured(tmp_path).make(
        samples=SAMPLES, size=SIDE, negatives=8, painted={key(i): by for i, by in PAINTED.items()},
    )  # fmt: skip
    section = config.detectors["deeplabv3plus"]
    config = config.model_copy(update={
        "detectors": {
            "deeplabv3plus": section,
            "cnnspot": section.model_copy(update={"tasks": ("image",)}),
        },
        "bases": config.bases.model_copy(update={"resolution": SIDE}),
        "holdouts": (("flux",),), "replays": {"sdxl_lora": "sdxl"},
        "protocols": {"table2": (), "table3": (), "severity": (), "table4": (), "table5": (),
                      "table6": (), "table7": (), "classifiers": (), "turns": ()},
    })  # fmt: skip
    (run.path / "config.yaml").write_text(config.to_yaml())
    return run, config


def as_json(recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return found


def trained(
    run: RunFolder, config: Config, task: Task, subset: str = "all", blind: bool = False,
    **changes: Any,
) -> list[str]:  # fmt: skip
    """Commit a detector as its train stage does, and return the arguments of its stages. A `blind`
    one calls everything untouched."""
    trial = Trial("cnnspot" if task == "image" else "deeplabv3plus", task, subset)
    labels = {"untouched": 0, **FAMILIES} if task == "semantic" else {"untouched": 0, "edited": 1}
    model = detectors.build(trial.detector, len(labels), "", None)
    if blind:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
            if task == "image":
                model.get_submodule("encoder").bias[0] = 1.0  # type: ignore[index]
    recipe = Recipe("", "", 1.0, 1, 1, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    curve = Curve(
        detector=trial.detector, task=task, subset=subset, encoder="", classes=len(labels),
        labels=labels, size=SIDE, resampler=RESAMPLER, recipe=as_json(recipe),
        steps=1, batch=1, processes=1, samples=1, loss=(0.0,), best_step=1, seconds=0.0,
    ).model_copy(update=changes)  # fmt: skip
    with Writer(run, f"train-{trial.name}", 0) as writer:
        writer.add("model", members(Trained(save(model.state_dict()), curve)))
        writer.commit(["model"], [], {}, FACTS, {})
    return [*trial.args, f"--run={run.path}"]


def scored(run: RunFolder, protocol: str, args: list[str]) -> tuple[dict[str, Metrics], Manifest]:
    """The rows by condition, and the manifest, of a stage that is run now."""
    argv = ["--protocol", protocol, *args]
    assert evaluate.main(argv) == 0
    name = f"evaluate-{protocol}-{'-'.join(args[1:-1:2])}"
    joined = join(run, [name], 0)
    rows = joined.rows["scores"].get("scores", "Scores").rows
    return {row.condition: row for row in rows}, joined.manifests[0]


def value(row: Metrics, name: str) -> float | None:
    return row.figures[name].value


def test_a_perfect_detector_has_a_perfect_row_and_keeps_what_it_predicted(
    made: tuple[RunFolder, Config],
) -> None:
    rows, manifest = scored(made[0], "table2", trained(*made, "semantic"))
    assert list(rows) == ["clean", "merged"]
    clean = rows["clean"]
    assert (clean.samples, clean.size, clean.task) == (4, SIDE, "semantic")
    for name in ("accuracy", "accuracy_foreground", "miou", "miou_per_image", "bf1_2px"):
        assert value(clean, name) == 1.0
    assert value(clean, "edited_pixel_fraction") == 6 * ONE / (4 * PIXELS)
    assert clean.iou == {"sdxl": 1.0, "flux": 1.0}
    assert clean.confusion == ((4 * PIXELS - 6 * ONE, 0, 0), (0, 3 * ONE, 0), (0, 0, 3 * ONE))
    merged = rows["merged"]
    assert (merged.task, merged.iou) == ("binary", {"edited": 1.0})
    assert merged.confusion == ((4 * PIXELS - 6 * ONE, 0), (0, 6 * ONE))
    assert list(manifest.ids_in) == [key(number) for number in VAL]
    for number, row in join(made[0], ["evaluate-table2-deeplabv3plus-semantic"], 0).rows.items():
        if number != "scores":
            assert np.array_equal(
                row.get("prediction", "LabelMap"), Coloured.picture(int(number), SIDE)[1]
            )


def test_a_detector_that_sees_nothing_is_right_about_the_background_alone(
    made: tuple[RunFolder, Config],
) -> None:
    rows, _ = scored(made[0], "table2", trained(*made, "binary", blind=True))
    (clean,) = rows.values()
    assert value(clean, "accuracy") == 1 - 6 * ONE / (4 * PIXELS) == 0.625
    for name in ("accuracy_foreground", "miou", "miou_per_image", "bf1_2px", "bf1_davis"):
        assert value(clean, name) == 0.0
    assert clean.confusion == ((4 * PIXELS - 6 * ONE, 0), (6 * ONE, 0))


def test_the_manifest_names_every_tar_that_was_read(made: tuple[RunFolder, Config]) -> None:
    run, config = made
    _, manifest = scored(run, "table2", trained(*made, "binary"))
    expected = [("assemble-val", shard) for shard in range(config.shards)]
    expected += [("reals", shard) for shard in range(config.real_shards)]
    expected += [("train-deeplabv3plus-binary", 0)]
    assert manifest.parents == {
        f"{name}/{shard:05d}": run.manifest(name, shard).sha256 for name, shard in expected
    }


def test_a_stage_that_was_committed_is_not_scored_again(
    made: tuple[RunFolder, Config], capsys: pytest.CaptureFixture[str]
) -> None:
    args = trained(*made, "binary")
    _, first = scored(made[0], "table2", args)
    _, again = scored(made[0], "table2", args)
    assert first == again
    assert "1 skipped (committed before)" in capsys.readouterr().out


def test_scoring_anew_gives_the_same_bytes(made: tuple[RunFolder, Config]) -> None:
    run, _ = made
    args = trained(*made, "binary")
    shutil.copytree(run.path, run.path.with_name("copy"))
    copy = RunFolder(run.path.with_name("copy"))
    _, first = scored(run, "severity", args)
    _, again = scored(copy, "severity", [*args[:-1], f"--run={copy.path}"])
    assert first.sha256 == again.sha256
    assert first.attempt.id != again.attempt.id


def test_conditions_are_scored_at_their_size_and_say_what_was_done(
    made: tuple[RunFolder, Config],
) -> None:
    rows, _ = scored(made[0], "table3", trained(*made, "binary"))
    assert {name: row.size for name, row in rows.items()} == {
        "clean": 64, "jpeg-60": 64, "jpeg-80": 64, "resize-256": 256, "resize-1024": 1024,
        "jpeg-60-stored": 64, "jpeg-80-stored": 64,
    }  # fmt: skip
    assert {row.samples for row in rows.values()} == {4}
    assert value(rows["clean"], "accuracy") == 1.0
    assert rows["jpeg-60"].notes == ("distorted at the network's input size",)
    assert "distorted as stored" in rows["jpeg-60-stored"].notes[0]
    assert rows["resize-1024"].notes[1] == "stored pictures are of 64 px: they are enlarged"
    total = sum(sum(line) for line in rows["resize-256"].confusion)
    assert total == 4 * 256**2
    assert value(rows["resize-256"], "accuracy") == pytest.approx(1.0, abs=0.03)


def test_severity_has_a_row_for_each_condition(made: tuple[RunFolder, Config]) -> None:
    from training.conditions import SEVERITY

    rows, _ = scored(made[0], "severity", trained(*made, "binary"))
    assert tuple(rows) == SEVERITY
    assert rows["crop-0.5"].size == 32
    assert sum(sum(line) for line in rows["crop-0.5"].confusion) == 4 * 32**2
    for name in ("clean", "crop-0.5", "jpeg-95"):
        assert value(rows[name], "accuracy") == 1.0
    noisy = [value(rows[f"noise-{deviation}"], "accuracy") for deviation in (3, 23)]
    assert noisy[0] is not None and noisy[1] is not None and noisy[0] > noisy[1]


def replayed(run: RunFolder, config: Config) -> None:
    """Sample 3 painted again without a trace, 11 as it was; the second turn of 15 failed."""
    turn = Edit(turn=1, region=0, family="sdxl_lora", label=3, edit="attribute", prompts=("p",),
                seeds=(1,), steps=1, guidance=0.0, composite="paste", changed=1.0, area=0.25,
                model="")  # fmt: skip
    blank = Coloured.picture(99, SIDE)[0]
    again = {
        "replay-sdxl-lora-1-sdxl-lora": {3: (blank, 1), 11: (blank, 1)},
        "replay-sdxl-lora-2-flux": {11: (Coloured.picture(11, SIDE)[0], 2)},
        "replay-sdxl-lora-2-sdxl-lora": {15: (Coloured.picture(15, SIDE)[0], 1)},
    }
    for stage in dag(config):
        for shard in range(config.shards if stage.module == "jobs.replay" else 0):
            with Writer(run, stage.name, shard) as writer:
                mine = {key(i): one for i, one in again.get(stage.name, {}).items()
                        if i // config.shard_size == shard}  # fmt: skip
                for name, (image, edits) in sorted(mine.items()):
                    writer.add(name, members(Edited(image, History(edits=(turn,) * edits))))
                writer.commit(sorted(mine), [], {}, FACTS, {})


def test_replayed_pictures_stand_beside_the_stored_ones_of_the_same_samples(
    made: tuple[RunFolder, Config],
) -> None:
    replayed(*made)
    rows, manifest = scored(made[0], "table4", trained(*made, "semantic"))
    assert {name: row.samples for name, row in rows.items()} == {
        "sdxl-lora-stored": 2, "sdxl-lora-replayed": 2,
        "sdxl-lora-stored-all": 3, "sdxl-lora-replayed-all": 3,
    }  # fmt: skip
    assert {name: value(row, "iou") for name, row in rows.items()} == {
        "sdxl-lora-stored": 1.0, "sdxl-lora-replayed": 0.5,
        "sdxl-lora-stored-all": 1.0, "sdxl-lora-replayed-all": 0.5,
    }  # fmt: skip
    for row in rows.values():
        assert row.iou["sdxl"] == value(row, "iou")
        assert any("1 of 3 samples are left out" in note for note in row.notes)
    assert rows["sdxl-lora-replayed"].figures["iou"].low == 0.0
    assert rows["sdxl-lora-replayed"].iou["flux"] == 1.0
    assert "replay-sdxl-lora-2-flux/00002" in manifest.parents


def test_pixels_of_seen_families_count_for_nothing_in_variant_a(
    made: tuple[RunFolder, Config],
) -> None:
    args = trained(*made, "binary", "without-flux", blind=True)
    rows, _ = scored(made[0], "table5", args)
    assert {name: (row.samples, row.confusion) for name, row in rows.items()} == {
        "flux-a": (3, ((3 * PIXELS - 5 * ONE, 0), (3 * ONE, 0))),
        "flux-b": (3, ((3 * PIXELS - 5 * ONE, 0), (5 * ONE, 0))),
        "flux-c": (1, ((PIXELS - ONE, 0), (ONE, 0))),
    }
    base, _ = scored(made[0], "table5", trained(*made, "binary"))
    assert list(base) == ["clean", "flux-a", "flux-b", "flux-c"]
    assert {value(row, "miou") for row in base.values()} == {1.0}
    assert base["flux-c"].figures["miou"].low is None  # one picture has no interval


def bases(run: RunFolder, config: Config) -> None:
    """Two AI-made bases, one of val: red all over, as if it were edited."""
    image = np.full((SIDE, SIDE, 3), 60, np.uint8)
    for shard in range(config.shards):
        for name in ("ingest", "generate-sdxl", "generate-flux"):
            with Writer(run, name, shard) as writer:
                for i in {0: (0, 3)}.get(shard, ()):
                    split = "val" if i in VAL else "train"
                    source = Source(source_id=key(i), split=split, base="ai", family="sdxl")
                    record = Sourced(source) if name == "ingest" else Generated(image)
                    if name != "generate-flux":
                        writer.add(key(i), members(record))
                writer.commit([], [], {}, FACTS, {})


def test_whole_pictures_with_negatives_and_the_control_of_ai_made_bases(
    made: tuple[RunFolder, Config],
) -> None:
    bases(*made)
    rows, manifest = scored(made[0], "table6", trained(*made, "image"))
    clean, control = rows["clean"], rows["ai-bases"]
    assert (clean.samples, control.samples) == (6, 1)
    for name in ("accuracy", "ap", "ap_mean", "true_positive_rate"):
        assert value(clean, name) == 1.0
    assert value(clean, "false_positive_rate") == 0.0
    assert value(control, "false_positive_rate") == 1.0
    assert value(control, "accuracy") == 0.0
    assert value(control, "true_positive_rate") is value(control, "ap") is None
    assert value(clean, "threshold_balanced") is None  # twelve sources are too few for a dev slice
    assert evaluate.evaluate_pictures.NO_DEV in clean.notes
    assert "generate-sdxl/00000" in manifest.parents


def test_a_detector_that_crops_is_tried_without(made: tuple[RunFolder, Config]) -> None:
    bases(*made)
    recipe = Recipe("", "", 1.0, 1, 1, crop=32, mean=(0.0,) * 3, std=(1.0,) * 3)  # type: ignore[arg-type]
    args = trained(*made, "image", recipe=as_json(recipe))
    rows, _ = scored(made[0], "table6", args)
    assert list(rows) == ["clean", "no-crop", "ai-bases"]
    assert value(rows["no-crop"], "true_positive_rate") == 1.0


def test_table_7_is_balanced(made: tuple[RunFolder, Config]) -> None:
    rows, _ = scored(made[0], "table7", trained(*made, "image", "without-flux", blind=True))
    assert {name: row.samples for name, row in rows.items()} == {"flux-a": 4, "flux-c": 2}
    for row in rows.values():
        assert value(row, "accuracy") == 0.5
        assert value(row, "ap") == 0.5


def test_segmentation_as_a_classifier_by_three_ways_to_a_verdict(
    made: tuple[RunFolder, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    bases(*made)
    monkeypatch.setattr(subsets, "DEV_SHARE", 0.5)
    rows, _ = scored(made[0], "classifiers", trained(*made, "binary"))
    names = ("clean", "flux-a", "flux-c", "ai-bases")
    ways = ("top1", "share", "share-0")
    assert list(rows) == [f"{name}-{how}" for name in names for how in ways]
    for how in ways:
        assert value(rows[f"clean-{how}"], "accuracy") == 1.0
        assert value(rows[f"clean-{how}"], "ap") == 1.0
        assert value(rows[f"ai-bases-{how}"], "false_positive_rate") == 1.0
    # Half-way between none and one square, which are the two shares that the dev slice has.
    assert value(rows["clean-share"], "threshold_balanced") == ONE / PIXELS / 2


def test_without_a_dev_slice_no_share_is_made_up(made: tuple[RunFolder, Config]) -> None:
    rows, _ = scored(made[0], "classifiers", trained(*made, "binary", "without-flux"))
    none = rows["flux-a-share"]
    assert (none.samples, none.figures) == (0, {})
    assert evaluate.evaluate_pictures.NO_DEV in none.notes
    assert value(rows["flux-a-share-0"], "accuracy") == 1.0


def test_one_turn_and_several(made: tuple[RunFolder, Config]) -> None:
    rows, _ = scored(made[0], "turns", trained(*made, "semantic", "multi-turn"))
    assert {name: row.samples for name, row in rows.items()} == {
        "single-turn": 2, "multi-turn": 2, "all": 4,
    }  # fmt: skip
    assert {row.subset for row in rows.values()} == {"multi-turn"}


def test_a_set_without_pictures_is_a_row_without_figures(tmp_path: Path) -> None:
    run, config = Coloured(tmp_path).make(samples=8, size=SIDE, painted={
        key(i): ("sdxl",) for i in range(8)})  # fmt: skip
    config = config.model_copy(update={"holdouts": (("flux",),), "protocols": {"table5": ()}})
    (run.path / "config.yaml").write_text(config.to_yaml())
    rows, _ = scored(run, "table5", trained(run, config, "binary", "without-flux"))
    assert set(rows) == {"flux-a", "flux-b", "flux-c"}
    for row in rows.values():
        assert row.samples == 0
        assert {figure.value for figure in row.figures.values()} == {None}
        assert any("no picture" in note for note in row.notes)


def test_a_model_of_other_classes_is_refused(made: tuple[RunFolder, Config]) -> None:
    args = trained(*made, "semantic", labels={"untouched": 0, "sdxl": 3, "glide": 5})
    with pytest.raises(InputError, match=r"train-deeplabv3plus-semantic has 3 classes .*glide 5"):
        evaluate.main(["--protocol", "table2", *args])


def test_damaged_weights_are_refused(made: tuple[RunFolder, Config]) -> None:
    args = trained(*made, "binary")
    manifest = made[0].manifest("train-deeplabv3plus-binary", 0)
    path = made[0].tar(manifest)
    member = next(one for one in manifest.records["model"] if one.name == "model.safetensors")
    raw = bytearray(path.read_bytes())
    raw[member.offset + 40] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CorruptData, match="does not match its digest"):
        evaluate.main(["--protocol", "table2", *args])
