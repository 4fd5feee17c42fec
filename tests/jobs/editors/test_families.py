"""Every diffusion family holds the contract of `jobs.editors`, shown on its tiny checkpoint.

Each test is one check, and the families are found: a new one is tested by being there.
`python -m tests.jobs.editors.table` prints the outcome as a table, one column a family.
"""

import dataclasses
import functools
import importlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.edit import Turn
from jobs.editors import Editor, Painted, Settings, at
from jobs.models_files import wanted
from jobs.tiny.cache import ensure
from pipeline.cards import card, known
from pipeline.config import Config
from pipeline.documents import Plan, Prompt, Regions
from pipeline.documents import Turn as Step
from pipeline.errors import SUSPECT, TRANSIENT, ConfigError, guard
from pipeline.records import Edited, Reject, ToEdit
from tests.jobs.editors.between import Act, Between, between, given

#: Every file with a CARD.
FAMILIES = known("editors")
WEIGHTED = [family for family in FAMILIES if card("editors", family).repos]
CLASSICAL = sorted({*FAMILIES} - {*WEIGHTED})
PROMPTS = ["a cat", "a dog on the grass", "a tree"]
SEEDS = [1, 2, 2**62 + 3]

every = pytest.mark.parametrize("family", FAMILIES)
weighted = pytest.mark.parametrize("family", WEIGHTED)


@functools.cache
def _editor(family: str, root: Path) -> Editor:
    folder = ensure(family, root) if family in WEIGHTED else root
    load = importlib.import_module(f"jobs.editors.{family}").load
    loaded: Editor = load(folder, Settings(steps=2))
    return loaded


def _photographs(size: int) -> list[np.ndarray]:
    down, across = np.mgrid[:size, :size] * 255 // size
    ramp = np.stack([across, down, (across + down) // 2], axis=-1).astype(np.uint8)
    return [ramp, ramp[::-1].copy(), np.swapaxes(ramp, 0, 1).copy()]


def _masks(size: int) -> list[np.ndarray]:
    masks = [np.zeros((size, size), np.bool_) for _ in range(3)]
    masks[0][size // 4 : size // 2, size // 4 : size // 2] = True
    masks[1][: size // 2, : size // 3] = True
    masks[2][:] = True
    return masks


def _one(editor: Editor, size: int = 128, seed: int = 1, prompt: str = "a cat") -> np.ndarray:
    (made,) = editor.inpaint(_photographs(size)[:1], _masks(size)[:1], [prompt], [seed])
    assert made.pixels is not None
    return made.pixels


def test_the_papers_families_are_there() -> None:
    papers = {"sd2", "sd35", "sdxl", "flux", "glide", "kolors", "hunyuan", "kandinsky"}
    assert papers <= {*WEIGHTED} and {"clone", "heal"} <= {*CLASSICAL}


@every
def test_a_card_says_what_it_is(family: str) -> None:
    facts = card("editors", family)
    assert facts.title and facts.licence and facts.note
    assert facts.steps > 0 and facts.size_multiple > 0


@weighted
def test_a_card_of_weights_says_what_they_need(family: str) -> None:
    facts = card("editors", family)
    assert facts.image == "editor" and facts.gpu_gib > 0
    assert 0 < facts.pflop < 100 and "`pflop`" in facts.note, "say where the figure is from"
    assert len({path.name for path in facts.folders(Path("/"))}) == len(facts.repos)


@pytest.mark.parametrize("family", CLASSICAL)
def test_a_card_without_weights_asks_for_nothing(family: str) -> None:
    facts = card("editors", family)
    assert (facts.image, facts.gpu_gib, facts.gated, facts.pflop) == ("base", 0, False, 0)


@every
def test_reading_a_card_imports_no_heavy_library(family: str) -> None:
    code = (
        f"import sys, jobs.editors.{family}; "
        "sys.exit(bool({'torch', 'diffusers', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@every
def test_same_seed_same_bytes_other_seed_other_bytes(family: str, tiny_root: Path) -> None:
    import torch

    editor = _editor(family, tiny_root)
    before = torch.random.get_rng_state()
    first = _one(editor)
    torch.default_generator.manual_seed(99)
    disturbed = torch.random.get_rng_state()
    again, other = _one(editor), _one(editor, seed=2)
    assert torch.equal(torch.random.get_rng_state(), disturbed)
    torch.random.set_rng_state(before)
    assert first.shape == (128, 128, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@every
def test_the_prompt_and_the_mask_matter(family: str, tiny_root: Path) -> None:
    editor = _editor(family, tiny_root)
    made = _one(editor)
    assert not np.array_equal(made, _one(editor, prompt="a dog on the grass"))
    inside = made[_masks(128)[0]]
    assert inside.std() > 10  # neither black nor one colour


@every
def test_a_batch_equals_its_samples(family: str, tiny_root: Path) -> None:
    editor = _editor(family, tiny_root)
    images, masks = _photographs(128), _masks(128)
    batch = editor.inpaint(images, masks, PROMPTS, SEEDS)
    made = editor.generate(PROMPTS, SEEDS, 64)
    for i in range(3):
        (single,) = editor.inpaint(
            images[i : i + 1], masks[i : i + 1], PROMPTS[i : i + 1], SEEDS[i : i + 1]
        )
        (picture,) = editor.generate(PROMPTS[i : i + 1], SEEDS[i : i + 1], 64)
        _close(batch[i].pixels, single.pixels, (128, 128, 3))
        _close(made[i].pixels, picture.pixels, (64, 64, 3))
    assert not np.array_equal(made[0].pixels, made[1].pixels)


def _close(ours: np.ndarray | None, theirs: np.ndarray | None, shape: tuple[int, int, int]) -> None:
    assert ours is not None
    assert theirs is not None
    assert ours.shape == theirs.shape == shape
    assert np.abs(ours.astype(int) - theirs).mean() <= 2


@every
def test_any_size_comes_back_as_it_went_in(family: str, tiny_root: Path) -> None:
    assert _one(_editor(family, tiny_root), size=100).shape == (100, 100, 3)


@every
def test_long_prompts_leave_the_log_empty(
    family: str, tiny_root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _one(_editor(family, tiny_root), size=64, prompt="a very long story " * 40)
    assert capfd.readouterr() == ("", "")


@weighted
def test_values_that_are_not_finite_are_told(family: str, tiny_root: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(ensure(family, tiny_root), tmp_path, dirs_exist_ok=True)
    for network in ("unet", "transformer"):
        for path in tmp_path.glob(f"*/{network}/*.safetensors"):
            damaged = {name: weight * float("nan") for name, weight in load_file(path).items()}
            save_file(damaged, path)
    editor = importlib.import_module(f"jobs.editors.{family}").load(tmp_path, Settings(steps=1))
    lost = [Painted(None, "nan-latents")]
    assert editor.inpaint(_photographs(64)[:1], _masks(64)[2:], ["a cat"], [1]) == lost
    assert editor.generate(["a cat"], [1], 64) == lost


@weighted
def test_missing_weights_are_named(family: str, tmp_path: Path) -> None:
    facts = card("editors", family)
    missing = str(tmp_path / facts.repos[0].rsplit("/", 1)[-1])
    with pytest.raises(ConfigError) as caught:
        importlib.import_module(f"jobs.editors.{family}").load(tmp_path, Settings())
    assert missing in str(caught.value)
    assert facts.title in str(caught.value)
    assert ("accept the licence" in str(caught.value)) is facts.gated


@every
def test_photographs_of_two_sizes_are_refused(family: str, tiny_root: Path) -> None:
    images = [_photographs(64)[0], _photographs(128)[0]]
    masks = [_masks(64)[0], _masks(128)[0]]
    with pytest.raises(ValueError, match="one size"):
        _editor(family, tiny_root).inpaint(images, masks, ["a", "b"], [1, 2])


# --- through the stage: paste, gates, faults, stops ----------------------------------------------


def _items(family: str, count: int = 1, size: int = 64) -> list[ToEdit]:
    plan = Plan(turns=(Step(region=0, family=family, edit="attribute"),))
    rows = zip(_photographs(size), _masks(size), PROMPTS, strict=True)
    return [
        ToEdit(f"{i:08d}", image, mask[None], Regions(regions=()), plan, Prompt(texts=(text,)))
        for i, (image, mask, text) in enumerate(rows)
    ][:count]


def _turn(config: Config, family: str, editor: Editor, count: int = 1) -> list[Any]:
    return list(Turn(config, family, 1, editor, "")(_items(family, count)))


@pytest.fixture
def config(request: pytest.FixtureRequest, configured: Callable[..., Config]) -> Config:
    return configured(families={request.node.callspec.params["family"]: 1})


@every
def test_only_the_mask_changes(family: str, tiny_root: Path, config: Config) -> None:
    found = _turn(config, family, _editor(family, tiny_root), 3)
    for item, one in zip(_items(family, 3), found, strict=True):
        assert isinstance(one, Edited), one
        mask = item.masks[0]
        assert np.array_equal(one.image[~mask], item.image[~mask])
        assert (one.image[mask] != item.image[mask]).any(axis=-1).mean() > 0.5


def _spoilt(value: float) -> Act:
    """One number in each picture."""

    def act(call: Callable[[], np.ndarray], _: dict[str, Any]) -> np.ndarray:
        made = call().copy()
        made[:, 5, 5, 0] = value
        return made

    return act


WRONG: dict[str, tuple[Act, str]] = {
    "nan": (_spoilt(float("nan")), "nan-latents"),
    "infinity": (_spoilt(float("inf")), "nan-latents"),
    "black": (lambda call, _: call() * 0, "constant-image"),
    "one colour": (lambda call, _: call() * 0 + np.float32(0.4), "constant-image"),
    "no-op": (lambda call, how: given(how), "noop-edit"),
    "half size": (lambda call, _: call()[:, ::2, ::2], "wrong-size"),
    "grey": (lambda call, _: call()[..., :1], "wrong-size"),
    "alpha": (lambda call, _: call()[..., [0, 1, 2, 2]], "wrong-size"),
}


@weighted
@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_picture_is_declined(
    family: str, fault: str, tiny_root: Path, config: Config
) -> None:
    act, reason = WRONG[fault]
    (found,) = _turn(config, family, between(_editor(family, tiny_root), act))
    assert isinstance(found, Reject), found
    assert found.reason == reason


@weighted
def test_what_the_safety_checker_blackens_is_declined(
    family: str, tiny_root: Path, config: Config
) -> None:
    if family == "glide":
        pytest.skip("GLIDE is no library pipeline: it has no checker")
    editor = between(_editor(family, tiny_root), lambda call, _: call() * 0, flags=True)
    assert _turn(config, family, editor) == [Reject("safety-filtered")]


@weighted
def test_what_bleeds_over_the_mask_is_cut_off(family: str, tiny_root: Path, config: Config) -> None:
    editor = between(_editor(family, tiny_root), lambda call, how: 1 - given(how))
    (found,), (item,) = _turn(config, family, editor), _items(family)
    assert isinstance(found, Edited)
    assert np.array_equal(found.image[~item.masks[0]], item.image[~item.masks[0]])


def _failing(times: int, error: Exception) -> Act:
    left = iter(range(times))

    def act(call: Callable[[], np.ndarray], _: dict[str, Any]) -> np.ndarray:
        if next(left, None) is not None:
            raise error
        return call()

    return act


@weighted
def test_a_full_device_halves_the_batch_and_changes_no_picture(
    family: str, tiny_root: Path, config: Config
) -> None:
    import torch

    editor = _editor(family, tiny_root)
    oom = torch.OutOfMemoryError("CUDA out of memory")
    peak, full = between(editor, _failing(1, oom)), between(editor, _failing(2, oom))
    plain, halved = _turn(config, family, editor, 3), _turn(config, family, full, 3)
    for ours, theirs in zip(_turn(config, family, peak, 3), plain, strict=True):
        assert np.array_equal(ours.image, theirs.image)
        assert ours.history == theirs.history
    for ours, theirs in zip(halved, plain, strict=True):
        _close(ours.image, theirs.image, (64, 64, 3))
        assert ours.history.edits[0].notes == ("batch-of-1",)
        assert theirs.history.edits[0].notes == ()


@weighted
@pytest.mark.parametrize(
    ("said", "code"),
    [("CUDA error: out of memory", TRANSIENT),
     ("CUDA error: an illegal memory access was encountered", SUSPECT)],
    ids=["full", "sick"],
)  # fmt: skip
def test_a_device_that_stays_so_ends_the_stage(
    family: str, said: str, code: int, tiny_root: Path, config: Config,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    editor = between(_editor(family, tiny_root), _failing(9, RuntimeError(said)))
    assert guard(lambda _: len(_turn(config, family, editor, 3)), []) == code
    assert "run the same command again" in capsys.readouterr().err


@weighted
def test_an_autoencoder_that_overflows_is_tried_once_more_in_float32(
    family: str, tiny_root: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from jobs.editors.autoencoder import watched

    load = importlib.import_module(f"jobs.editors.{family}").load
    editor = load(ensure(family, tiny_root), Settings(steps=2, dtype="bfloat16"))
    seen = watched(getattr(editor, "pipe", None) or getattr(editor, "painter", None))
    if seen is None:
        pytest.skip("it paints pixels: there is no autoencoder")
    used = []

    def overflow(latents: torch.Tensor, *args: Any, **how: Any) -> Any:
        used.append(latents.dtype)
        found = decode(latents, *args, **how)
        found[0][0] *= float("inf") if latents.dtype != torch.float32 else 1
        return found

    decode = seen._decode
    monkeypatch.setattr(seen, "_decode", overflow)
    (found,) = _turn(config, family, editor)
    assert isinstance(found, Edited)
    if seen.network.dtype == torch.float32:
        assert found.history.edits[0].notes == () and len(used) == 1
    else:
        assert found.history.edits[0].notes == ("vae-float32",)
        assert used == [torch.bfloat16, torch.float32]
        assert seen.network.dtype == torch.bfloat16


@weighted
def test_half_precision_paints(family: str, tiny_root: Path) -> None:
    load = importlib.import_module(f"jobs.editors.{family}").load
    editor = load(ensure(family, tiny_root), Settings(steps=2, dtype="bfloat16"))
    images, masks = _photographs(64), _masks(64)
    for made in (
        editor.inpaint(images, masks, PROMPTS, SEEDS),
        editor.generate(PROMPTS, SEEDS, 64),
    ):
        assert [one.fault for one in made] == [None] * 3
        assert all(one.pixels.std() > 10 for one in made)


@weighted
def test_a_stop_is_heard_between_two_steps(
    family: str, tiny_root: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    long = dataclasses.replace(_editor(family, tiny_root), settings=Settings(steps=900))
    stop = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))

    def main(_: list[str]) -> int:
        stop.start()
        try:
            return len(_turn(config, family, long))
        finally:
            stop.cancel()

    begun = time.monotonic()
    assert guard(main, []) == TRANSIENT
    assert time.monotonic() - begun < 10
    assert "stopped by SIGTERM" in capsys.readouterr().err


@weighted
def test_the_checkpoint_is_what_the_card_says(family: str, tiny_root: Path) -> None:
    facts = card("editors", family)
    folder = ensure(family, tiny_root)
    built = {path.name for path in folder.iterdir() if path.is_dir()}
    assert built == {path.name for path in facts.folders(folder)}
    assert facts.size_multiple % _grain(_editor(family, tiny_root)) == 0
    for repo, part in zip(facts.repos, facts.folders(folder), strict=True):
        files = [one.relative_to(part).as_posix() for one in part.rglob("*") if one.is_file()]
        assert wanted(repo, files, facts.files) == files, "all that is read is what is fetched"


def _grain(editor: Any) -> int:
    """Pixels of which the library takes multiples: those of a latent, times a token's latents."""
    pipe = getattr(editor, "pipe", None) or getattr(editor, "painter", None)
    if pipe is None:
        return 1
    scale = getattr(pipe, "vae_scale_factor", None) or pipe.movq_scale_factor
    network = getattr(pipe, "transformer", None)
    return int(scale * (network.config.get("patch_size", 1) if network else 1))


@weighted
def test_a_prompt_of_many_samples_is_encoded_once(family: str, tiny_root: Path) -> None:
    if family == "kandinsky":
        pytest.skip("its prior draws an image embedding for each sample")
    editor = _editor(family, tiny_root)
    prompt = f"a prompt that nobody gave to {family} before"
    images, masks = [_photographs(64)[0]] * 3, [_masks(64)[0]] * 3
    editor.inpaint(images, masks, PROMPTS, SEEDS)
    condition = editor.condition  # type: ignore[attr-defined]
    before = condition._one.cache_info()
    editor.inpaint(images, masks, [prompt] * 3, SEEDS)
    after = condition._one.cache_info()
    assert after.misses - before.misses == 1
    assert after.hits - before.hits >= 2


class Asked(Exception):
    """Raised in the place of painting."""


@weighted
def test_the_library_is_asked_as_the_card_says(family: str, tiny_root: Path) -> None:
    facts, how = card("editors", family), dict[str, Any]()

    def act(_: Callable[[], np.ndarray], asked: dict[str, Any]) -> np.ndarray:
        how.update(asked)
        raise Asked

    plain = dataclasses.replace(_editor(family, tiny_root), settings=Settings())
    with pytest.raises(Asked):
        between(plain, act).inpaint(_photographs(100)[:2], _masks(100)[:2], PROMPTS[:2], SEEDS[:2])
    steps = how.get("num_inference_steps") or len(how["steps"])
    scale = how["guidance_scale"] if "guidance_scale" in how else how["guidance"]
    assert (steps, scale) == (facts.steps, facts.guidance)
    side = how["height"] if "height" in how else how["photographs"].shape[-1]
    assert side % facts.size_multiple == 0
    assert side - facts.size_multiple < 100 <= side or "height" not in how
    with pytest.raises(Asked):
        at(between(plain, act), 3, 1.25).inpaint(
            _photographs(64)[:1], _masks(64)[:1], PROMPTS[:1], SEEDS[:1]
        )
    assert (how.get("num_inference_steps") or len(how["steps"])) == 3
    assert (how["guidance_scale"] if "guidance_scale" in how else how["guidance"]) == 1.25


@weighted
def test_each_sample_has_a_draw_of_its_own(family: str, tiny_root: Path) -> None:
    how = dict[str, Any]()

    def act(_: Callable[[], np.ndarray], asked: dict[str, Any]) -> np.ndarray:
        how.update(asked)
        raise Asked

    with pytest.raises(Asked):
        between(_editor(family, tiny_root), act).inpaint(
            _photographs(100)[:2], _masks(100)[:2], PROMPTS[:2], SEEDS[:2]
        )
    draws = how.get("draws") or how["generator"]
    drawn = draws if isinstance(draws, list) else [draws]
    assert [one.initial_seed() for one in drawn] == SEEDS[: len(drawn)]
    assert {one.device.type for one in drawn} == {"cpu"}


@weighted
def test_a_whole_picture_is_asked_for_as_the_card_says(family: str, tiny_root: Path) -> None:
    facts, how = card("editors", family), dict[str, Any]()

    def act(_: Callable[[], np.ndarray], asked: dict[str, Any]) -> np.ndarray:
        how.update(asked)
        raise Asked

    plain: Any = dataclasses.replace(_editor(family, tiny_root), settings=Settings())
    maker = "maker" if hasattr(plain, "maker") else "base"
    spied = dataclasses.replace(plain, **{maker: Between(getattr(plain, maker), act)})
    with pytest.raises(Asked):
        spied.generate(PROMPTS[:2], SEEDS[:2], 64)
    scale = how["guidance_scale"] if "guidance_scale" in how else how["guidance"]
    wished = facts.guidance if facts.base_guidance is None else facts.base_guidance
    assert scale == wished
    assert (how.get("num_inference_steps") or len(how["steps"])) == facts.steps
    mine = dataclasses.replace(spied, settings=Settings(guidance=1.5))
    with pytest.raises(Asked):
        mine.generate(PROMPTS[:2], SEEDS[:2], 64)
    assert (how["guidance_scale"] if "guidance_scale" in how else how["guidance"]) == 1.5


#: The library's pipelines whose defaults a card says it has: for edits, then for whole pictures.
#: Kolors has none for edits, HunyuanDiT one for both; the steps of Flux are the checkpoint's own.
PUBLISHED = {
    "sd2": ("StableDiffusionInpaintPipeline", "StableDiffusionPipeline"),
    "sdxl": ("StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline"),
    "flux": ("FluxInpaintPipeline", "FluxPipeline"),
    "kolors": ("KolorsPipeline", "KolorsPipeline"),
    "hunyuan": ("HunyuanDiTPipeline", "HunyuanDiTPipeline"),
    "kandinsky": ("KandinskyV22InpaintPipeline", "KandinskyV22Pipeline"),
}


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_card_has_the_librarys_defaults(family: str) -> None:
    import diffusers

    from jobs.editors.kolors import library

    facts = card("editors", family)
    whole = facts.guidance if facts.base_guidance is None else facts.base_guidance
    for name, guidance in zip(PUBLISHED[family], (facts.guidance, whole), strict=True):
        pipeline = getattr(library() if family == "kolors" else diffusers, name)
        defaults = inspect.signature(pipeline.__call__).parameters
        assert defaults["guidance_scale"].default == guidance
        assert family == "flux" or defaults["num_inference_steps"].default == facts.steps
