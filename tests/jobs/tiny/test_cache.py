"""Tiny checkpoints are the same bytes everywhere and appear whole or not at all."""

import hashlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.tiny.cache import VERSION, ensure
from pipeline.errors import ConfigError

FAMILIES = ("sd2", "sd35", "sdxl", "flux", "glide", "kolors", "hunyuan", "kandinsky")


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock.json")  # written by `ensure`
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_two_builds_are_the_same_bytes(family: str, tiny_root: Path, tmp_path: Path) -> None:
    import torch

    kept = _digests(ensure(family, tiny_root))
    state = torch.random.get_rng_state()
    torch.default_generator.manual_seed(99)
    disturbed = torch.random.get_rng_state()
    importlib.import_module(f"jobs.tiny.{family}").build(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), disturbed)
    torch.random.set_rng_state(state)
    assert _digests(tmp_path) == kept
    assert {Path(name).suffix for name in kept} <= {".json", ".safetensors", ".model", ".txt"}


def test_a_second_call_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = ensure("glide", tmp_path)
    assert built == tmp_path / VERSION / "glide"
    monkeypatch.setattr("jobs.tiny.glide.build", lambda _: pytest.fail("built again"))
    assert ensure("glide", tmp_path) == built


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise RuntimeError("power cut")

    monkeypatch.setattr("jobs.tiny.glide.build", half)
    with pytest.raises(RuntimeError, match="power cut"):
        ensure("glide", tmp_path)
    assert list((tmp_path / VERSION).iterdir()) == []


def test_the_loser_of_a_race_takes_the_winners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / VERSION / "glide"

    def overtaken(folder: Path) -> None:
        (folder / "mine").touch()
        final.mkdir()
        (final / "theirs").touch()

    monkeypatch.setattr("jobs.tiny.glide.build", overtaken)
    assert ensure("glide", tmp_path) == final
    assert [path.name for path in final.iterdir()] == ["theirs"]
    assert [path.name for path in final.parent.iterdir()] == ["glide"]


def test_two_processes_at_once(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\n"
        "def build(folder):\n"
        "    for name in 'ab':\n"
        "        (folder / name).touch()\n"
        "        time.sleep(0.3)\n"
    )
    code = (
        "import sys, jobs.tiny; from pathlib import Path; from jobs.tiny.cache import ensure; "
        "jobs.tiny.__path__.append(sys.argv[1]); "
        "print(len(list(ensure('slow', Path(sys.argv[1])).iterdir())))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [racer.communicate()[0].strip() for racer in racers] == ["2", "2"]
    assert [path.name for path in (tmp_path / VERSION).iterdir()] == ["slow"]


def test_an_unknown_family_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dalle"):
        ensure("dalle", tmp_path)
