"""Tiny GroundingDINO and SAM are the same bytes everywhere, in the layout of the published ones."""

import hashlib
from pathlib import Path

from jobs.segmenters.grounded_sam import CARD
from jobs.tiny.cache import VERSION, ensure
from jobs.tiny.grounded_sam import build


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock.json")  # written by `ensure`
    }


def test_two_builds_are_the_same_bytes_and_disturb_nothing(tiny_root: Path, tmp_path: Path) -> None:
    import torch

    kept = digests(ensure("grounded_sam", tiny_root))
    state = torch.random.get_rng_state()
    torch.default_generator.manual_seed(99)
    before = torch.random.get_rng_state()
    build(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.random.set_rng_state(state)
    assert digests(tmp_path) == kept
    assert {Path(name).suffix for name in kept} == {".json", ".safetensors"}


def test_the_folders_are_those_of_the_card(tiny_root: Path) -> None:
    ensure("grounded_sam", tiny_root)
    for folder in CARD.folders(tiny_root / VERSION / "grounded_sam"):
        names = {path.name for path in folder.iterdir()}
        assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= names
