"""A chain painted again differs by the stand-in alone, and stays a chain where a turn fails."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.edit import Turn
from jobs.editors import Painted, Settings, at
from jobs.replay import Replay, paints
from jobs.weights import editor
from pipeline import runs
from pipeline.audit import audit
from pipeline.cards import card
from pipeline.config import Config
from pipeline.dag import checked
from pipeline.documents import Edit, History, Plan, Prompt, Regions, Sample, Score, Source
from pipeline.documents import Turn as Step
from pipeline.manifest import Manifest, sealed
from pipeline.records import Edited, Reject, ToEdit, ToReplay
from pipeline.shards import Row, RunFolder, join
from pipeline.stage import Stage

SIDE = 12
PHOTOS = Path(__file__).parent.parent / "data" / "photos"
NAMES = ("sdxl", "flux", "heal")


@dataclasses.dataclass(frozen=True)
class Fake:
    """Noise by seed, steps, guidance and what lies beneath; nothing for the prompt "fail"."""

    settings: Settings = dataclasses.field(default_factory=Settings)

    def inpaint(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray],
        prompts: Sequence[str], seeds: Sequence[int],
    ) -> list[Painted]:  # fmt: skip
        def one(image: np.ndarray, prompt: str, seed: int) -> Painted:
            if prompt == "fail":
                return Painted(None, "nan-latents")
            scale = round(100 * (self.settings.guidance or 0))
            drawn = np.random.default_rng([seed, self.settings.steps or 0, scale, int(image.sum())])
            return Painted(drawn.integers(0, 256, image.shape, dtype=np.uint8))

        return [one(*about) for about in zip(images, prompts, seeds, strict=True)]

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        raise NotImplementedError


@pytest.fixture
def config(configured: Callable[..., Config]) -> Config:
    return configured(families={"sdxl": 3, "flux": 4}, replays={"sdxl_lora": "sdxl"},
                      editing={"steps": 5, "guidance": 2.5})  # fmt: skip


MASKS = np.zeros((2, SIDE, SIDE), np.bool_)
MASKS[0, :5], MASKS[1, 3:] = True, True
BASE = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def painted(
    config: Config, families: Sequence[str], texts: Sequence[str] = ("gone", "new")
) -> list[Edited]:
    """A chain as the edit stage paints it, turn by turn, over regions 0, 1, 0."""
    steps = tuple(Step(region=i % 2, family=name, edit="addition")
                  for i, name in enumerate(families))  # fmt: skip
    found: list[Edited] = []
    for turn, name in enumerate(families, 1):
        image, history = (found[-1].image, found[-1].history) if found else (BASE, None)
        item = ToEdit("00000007", image, MASKS, Regions(regions=()), Plan(turns=steps),
                      Prompt(texts=tuple(texts)), history)  # fmt: skip
        loaded = Fake(Settings(steps=config.editing.steps, guidance=config.editing.guidance))
        (made,) = Turn(config, name, turn, loaded, "digest")([item])
        assert isinstance(made, Edited)
        found.append(made)
    return found


def finished(edits: Sequence[Edit]) -> Sample:
    source = Source(source_id="s", split="val", base="real")
    return Sample(source=source, regions=(), planned=3, edits=tuple(edits), score=Score(score=4))


def again(
    config: Config, sample: Sample, turn: int, family: str, before: Edited | None
) -> Edited | Reject[Edited]:
    image, history = (before.image, before.history) if before else (BASE, None)
    stage = Replay(config, "sdxl_lora", family, turn, Fake(), "other digest")
    (made,) = stage([ToReplay("00000007", image, MASKS, sample, history)])
    return made


def chain(config: Config, sample: Sample, before: Edited | None, first: int) -> list[Edited]:
    found: list[Edited] = []
    for edit in sample.edits[first - 1 :]:
        name = "sdxl_lora" if edit.family == "sdxl" else edit.family
        made = again(config, sample, edit.turn, name, before)
        assert isinstance(made, Edited)
        before = made
        found.append(made)
    return found


def test_the_same_painter_paints_the_stored_picture_again(config: Config) -> None:
    originals = painted(config, ["flux", "flux", "flux"])
    sample = finished(originals[-1].history.edits)
    found = chain(config, sample, None, 1)
    for ours, theirs in zip(found, originals, strict=True):
        assert np.array_equal(ours.image, theirs.image)
    known = [edit.model_copy(update={"model": "other digest"}) for edit in sample.edits]
    assert list(found[-1].history.edits) == known


@pytest.mark.parametrize("first", [1, 2])
def test_a_chain_is_replayed_from_its_first_replaced_turn_on(config: Config, first: int) -> None:
    families = ["sdxl", "flux", "flux"] if first == 1 else ["flux", "sdxl", "flux"]
    originals = painted(config, families)
    sample = finished(originals[-1].history.edits)
    before = originals[first - 2] if first > 1 else None
    found = chain(config, sample, before, first)
    edits = found[-1].history.edits
    assert [edit.turn for edit in edits] == [1, 2, 3]
    assert edits[: first - 1] == sample.edits[: first - 1], "what came before is as it was"
    ours, theirs = edits[first - 1], sample.edits[first - 1]
    facts = card("editors", "sdxl_lora")
    assert (ours.family, ours.steps, ours.guidance) == ("sdxl_lora", facts.steps, facts.guidance)
    assert (theirs.steps, theirs.guidance) == (5, 2.5)
    for now, then in zip(edits, sample.edits, strict=True):
        kept = ("turn", "region", "label", "edit", "prompts", "seeds", "area", "composite")
        assert [getattr(now, name) for name in kept] == [getattr(then, name) for name in kept]
    assert all((edit.steps, edit.guidance) == (5, 2.5) for edit in edits[first:])
    for made, original in zip(found, originals[first - 1 :], strict=True):
        assert not np.array_equal(made.image, original.image)
    beneath = BASE if first == 1 else originals[first - 2].image
    mask = MASKS[ours.region]
    assert np.array_equal(found[0].image[~mask], beneath[~mask])


def test_a_turn_that_fails_leaves_the_chain_on_the_last_good_picture(config: Config) -> None:
    originals = painted(config, ["sdxl", "flux"])
    edits = originals[-1].history.edits
    failing = edits[0].model_copy(update={"prompts": ("gone", "fail")})
    sample = finished([failing, edits[1]])
    one = again(config, sample, 1, "sdxl_lora", None)
    assert isinstance(one, Reject) and one.reason == "nan-latents" and one.record
    assert np.array_equal(one.record.image, BASE) and one.record.history == History()
    two = again(config, sample, 2, "flux", one.record)
    assert isinstance(two, Edited)
    assert [edit.turn for edit in two.history.edits] == [2]
    assert np.array_equal(two.image[~MASKS[1]], BASE[~MASKS[1]])


def test_samples_painted_at_another_pace_keep_theirs(config: Config) -> None:
    (original,) = painted(config, ["flux"])
    (edit,) = original.history.edits
    samples = [finished([edit.model_copy(update={"steps": steps})]) for steps in (5, 9, 5)]
    items = [ToReplay(f"{i:08d}", BASE, MASKS, one) for i, one in enumerate(samples)]
    found = Replay(config, "sdxl_lora", "flux", 1, Fake(), "")(items)
    pictures = [one.image for one in found if isinstance(one, Edited)]
    assert np.array_equal(pictures[0], original.image) and np.array_equal(pictures[2], pictures[0])
    assert not np.array_equal(pictures[1], pictures[0])


def test_a_classical_tool_has_no_pace() -> None:
    tool = importlib.import_module("jobs.editors.heal").load(Path(), Settings())
    assert at(tool, 3, 1.0) is tool


@given(st.lists(st.sampled_from([*NAMES, None]), max_size=3))
def test_every_turn_from_the_first_replaced_one_on_has_one_painter(
    families: list[str | None],
) -> None:
    """And no turn before it has any. None is a turn that failed, and so is no edit."""
    edit = Edit(turn=1, region=0, family="", label=1, edit="removal", prompts=(), seeds=(), steps=1,
                guidance=0, composite="paste", changed=1, area=1, model="")  # fmt: skip
    edits = [edit.model_copy(update={"turn": turn, "family": name})
             for turn, name in enumerate(families, 1) if name]  # fmt: skip
    sample = finished(edits)
    for turn in (1, 2, 3):
        mine = [name for name in NAMES if paints(sample, "sdxl", turn, name)]
        over = "sdxl" in families[:turn]
        painter = families[turn - 1] if turn <= len(families) else None
        assert mine == ([painter] if over and painter else [])


# --- the stages, with tiny weights ---------------------------------------------------------------


@pytest.fixture(scope="module")
def replayed(
    configured: Callable[..., Config], tiny_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    chosen = configured(
        samples=16, val_share=0.7, keep_score=0, families={"sdxl": 3, "flux": 4, "heal": 2},
        replays={"sdxl_lora": "sdxl"}, turns={1: 1, 2: 1, 3: 2}, bases={"ai_share": 0},
        editing={"weights": "tiny", "folder": str(tiny_root), "steps": 2, "batch": 1},
        detectors={}, protocols={},
    )  # fmt: skip
    config, run = runs.begin(chosen, PHOTOS, tmp_path_factory.mktemp("replay") / "run")
    for stage in stages(config):
        main = importlib.import_module(stage.module).main
        assert main(stage.argv(run.path, (0, 1))) == 0
    return run


def stages(config: Config) -> list[Stage]:
    return [stage for stage in checked(config) if stage.scope == "shard"]


def config_of(run: RunFolder) -> Config:
    from pipeline.stage import read_run

    return read_run(run.path)


def rows(run: RunFolder, *datasets: str) -> dict[str, Row]:
    config = config_of(run)
    return {key: row for shard in range(config.shards)
            for key, row in join(run, datasets, shard).rows.items()}  # fmt: skip


def manifests(run: RunFolder, prefix: str) -> list[Manifest]:
    config = config_of(run)
    return [run.manifest(stage.name, shard) for stage in stages(config)
            if stage.name.startswith(prefix) for shard in range(config.shards)]  # fmt: skip


@pytest.mark.slow
def test_each_sample_with_such_a_turn_is_replayed_and_no_other(replayed: RunFolder) -> None:
    finished = {key: row.get("sample", "Sample")
                for key, row in rows(replayed, "assemble-val").items()}  # fmt: skip
    taken: dict[str, list[int]] = {}
    for manifest in manifests(replayed, "replay-"):
        turn = int(manifest.dataset.split("-")[3])
        for key in manifest.ids_in:
            taken.setdefault(key, []).append(turn)
    firsts = set()
    for key, sample in finished.items():
        over = [edit.turn for edit in sample.edits if edit.family == "sdxl"]
        wanted = [edit.turn for edit in sample.edits if over and edit.turn >= over[0]]
        assert sorted(taken.pop(key, [])) == wanted
        firsts |= {*over[:1]}
    assert not taken and {1, 2} <= firsts, "the run has chains of both kinds"


@pytest.mark.slow
def test_the_chains_end_by_the_variant_and_say_so(replayed: RunFolder) -> None:
    config = config_of(replayed)
    last = [stage.name for stage in stages(config) if stage.name.startswith("replay-")]
    variants = 0
    for row in rows(replayed, *last).values():
        edits: History = row.get("history", "History")
        variants += sum(edit.family == "sdxl_lora" for edit in edits.edits)
        assert all((edit.family, edit.label, edit.steps, edit.guidance) == ("sdxl_lora", 3, 8, 0)
                   for edit in edits.edits if edit.label == 3)  # fmt: skip
    assert variants


@pytest.mark.slow
def test_the_audit_agrees_and_sees_a_sample_that_was_left_out(
    replayed: RunFolder, tmp_path: Path
) -> None:
    names = frozenset(stage.name for stage in stages(config_of(replayed)))
    found = audit(replayed.path, names)
    assert (found.faults, found.missing) == ((), ())
    full = next(one for one in manifests(replayed, "replay-") if len(one.ids_in) > 1)
    path = replayed.manifest_path(full.dataset, full.shard)
    before, lost = path.read_bytes(), full.ids_in[0]
    records = {key: found for key, found in full.records.items() if key != lost}
    short = full.model_copy(update={"ids_in": full.ids_in[1:], "records": records})
    path.unlink()
    path.write_bytes(sealed(short))
    (fault,) = audit(replayed.path, names).faults
    assert f"{full.dataset} shard {full.shard:05d} lost 1 samples" in fault and lost in fault
    path.unlink()
    path.write_bytes(before)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_the_same_family_paints_the_stored_bytes(replayed: RunFolder, family: str) -> None:
    """With its real editor: what is asked of it is what was asked of it."""
    config = config_of(replayed)
    names = [stage.name for stage in stages(config)]
    loaded, digest = editor(config, family)
    compared = 0
    for turn in (1, 2):
        stage = Replay(config, "sdxl_lora", family, turn, loaded, digest)
        layers = ["assemble-val", "ingest", "segment",
                  *(name for name in names if turn > 1 and name.startswith("edit-1-"))]  # fmt: skip
        stored = rows(replayed, f"edit-{turn}-{family}")
        for key, row in rows(replayed, *layers).items():
            if row.has(ToReplay) and key in stored:
                (made,) = stage([row.read(ToReplay)])
                assert isinstance(made, Edited)
                assert np.array_equal(made.image, stored[key].get("image", "Photo"))
                assert made.history == stored[key].get("history", "History")
                compared += 1
    assert compared >= 2
