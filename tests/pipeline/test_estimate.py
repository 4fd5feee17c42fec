"""The work of the paper's config, against arithmetic done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline import cards, config, dag, devices, estimate, plan
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.estimate import Work
from pipeline.stage import Stage

H100 = devices.find("H100")


def pflop(works: list[Work], module: str) -> float:
    """PFLOP of all stages of a module, by the seconds that they take."""
    speed = H100.half * devices.UTILISATION / 1000
    return sum(w.count * w.seconds * speed for w in works if w.stage.module == module)


def test_edits_add_up_to_the_papers_arithmetic(works: list[Work]) -> None:
    """60,000 candidates of 2.4 turns are 144,000 edits. With the large checkpoint of SD3.5 and 50
    steps for everyone that is 1.88e20 operations; ours has the medium one at 40 steps, and
    Kandinsky at its 100. An addition, a third of the edits, is two passes."""
    edits = [w for w in works if w.stage.module == "jobs.edit"]
    assert sum(w.count for w in edits) == pytest.approx(144_000)
    others = (3.13 - 0.92) + (0.38 - 0.74)
    once = pflop(works, "jobs.edit") * 3 / 4
    assert once + 18_000 * others == pytest.approx(1.88e5, rel=0.01)


def test_bases_questions_and_masks_add_up(works: list[Work]) -> None:
    made = [w for w in works if w.stage.module == "jobs.generate"]
    assert sum(w.count for w in made) == pytest.approx(30_000)
    assert pflop(works, "jobs.generate") * 144 / 30 == pytest.approx(
        pflop(works, "jobs.edit") * 3 / 4
    )
    asked = sum(pflop(works, f"jobs.{name}") for name in ("propose", "prompt", "score"))
    assert asked == pytest.approx(0.032 * (60_000 * 2 + 144_000 + 60_000)), "with the control"
    (masks,) = (w for w in works if w.stage.name == "segment")
    assert masks.seconds == pytest.approx(8.3 / (67 * 0.35)), "in float32"


def test_replays_are_those_of_the_finished_val_split(works: list[Work]) -> None:
    again = {w.stage.name: w for w in works if w.stage.module == "jobs.replay"}
    first = again["replay-sdxl-lora-1-sdxl-lora"]
    assert first.count == pytest.approx(60_000 * 0.5 * 0.2 / 8)
    assert again["replay-sdxl-lora-2-flux"].count == pytest.approx(6000 * 0.9 / 8 / 7)
    assert again["replay-sdxl-lora-3-flux"].count == pytest.approx(6000 * 0.5 / 8 * 2 / 7)
    assert first.model == "sdxl_lora" and first.seconds < 1


def test_training_is_its_recipes_pictures_but_never_faster_than_they_come(
    works: list[Work],
) -> None:
    by_name = {w.stage.name: w for w in works}
    lab = by_name["train-deeplabv3plus-binary"]
    assert 480_000 < lab.count < 520_000 and lab.seconds == pytest.approx(1 / 700)
    fcn = by_name["train-fcn8s-binary"]
    assert fcn.seconds == pytest.approx(0.813 / (67 * 0.35)), "in float32, slower than the feed"
    assert by_name["train-dinov2-binary"].gpus == 2
    table3 = by_name["evaluate-table3-deeplabv3plus-binary"].count
    assert table3 == pytest.approx(6000 * (5 + 0.25 + 4)), "five at 512 px, one at 256, one at 1024"


def test_steps_and_size_scale_the_work(paper: Config, stages: tuple[Stage, ...]) -> None:
    def seconds(name: str, **editing: int) -> float:
        bases = paper.bases.model_copy(update={"resolution": editing.pop("resolution", 1024)})
        how = paper.editing.model_copy(update=editing)
        changed = paper.model_copy(update={"bases": bases, "editing": how})
        (stage,) = (one for one in stages if one.name == name)
        return estimate.work(stage, changed, H100).seconds

    full = seconds("edit-1-flux")
    assert full == pytest.approx(10.8 * 4 / 3, rel=0.01)
    assert seconds("edit-1-flux", resolution=512) == pytest.approx(full / 4)
    assert seconds("edit-1-flux", steps=25) == pytest.approx(full / 2)
    assert seconds("edit-1-glide", resolution=512) == seconds("edit-1-glide")
    assert seconds("prompt-1", resolution=512) == pytest.approx(seconds("prompt-1") / 4)
    assert seconds("prompt-1", resolution=2048) == seconds("prompt-1"), "shown at asking.side"
    assert seconds("replay-sdxl-lora-1-sdxl-lora", steps=50) == pytest.approx(
        seconds("replay-sdxl-lora-1-sdxl-lora")
    ), "a variant paints as its card says"


def test_a_card_without_a_figure_stops_the_plan(
    paper: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = cards.card
    monkeypatch.setattr(estimate, "card", lambda role, name: (
        replace(known(role, name), pflop=0.0) if name == "kolors" else known(role, name)
    ))  # fmt: skip
    with pytest.raises(ConfigError, match=r"generate-kolors: the card of kolors has no `pflop`"):
        plan.made(paper, None, 8, H100)


def test_what_a_sample_should_take_is_said_of_gpus_alone(
    paper: Config, stages: tuple[Stage, ...]
) -> None:
    by_name = {one.name: one for one in stages}
    flux = estimate.sample_seconds(by_name["edit-1-flux"], paper, H100)
    assert flux == pytest.approx(14.4, abs=0.1)
    assert estimate.sample_seconds(by_name["ingest"], paper, H100) is None
    assert estimate.sample_seconds(by_name["train-fcn8s-binary"], paper, H100) is None
    demo = config.load("demo")
    assert {estimate.sample_seconds(one, demo, H100) for one in dag.dag(demo)} == {None}
