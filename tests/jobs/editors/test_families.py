"""Every diffusion family holds the contract of `jobs.editors`, shown on its tiny checkpoint."""

import functools
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobs.editors import Editor, Settings
from jobs.tiny.cache import ensure
from pipeline.cards import card, known
from pipeline.errors import ConfigError

#: Every file with a CARD: a new family is tested by being there.
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
    assert made is not None
    return made


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
    assert len({path.name for path in facts.folders(Path("/"))}) == len(facts.repos)


@pytest.mark.parametrize("family", CLASSICAL)
def test_a_card_without_weights_asks_for_nothing(family: str) -> None:
    facts = card("editors", family)
    assert (facts.image, facts.gpu_gib, facts.gated) == ("base", 0, False)


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
        _close(batch[i], single, (128, 128, 3))
        _close(made[i], picture, (64, 64, 3))
    assert made[0] is not None
    assert made[1] is not None
    assert not np.array_equal(made[0], made[1])


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
    assert editor.inpaint(_photographs(64)[:1], _masks(64)[2:], ["a cat"], [1]) == [None]
    assert editor.generate(["a cat"], [1], 64) == [None]


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
