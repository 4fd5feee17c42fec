"""The tiny vision-language model is the same bytes everywhere and loads as the real one does."""

import hashlib
from pathlib import Path

from jobs.tiny import qwen25vl
from jobs.tiny.cache import ensure
from jobs.vlms.qwen25vl import CARD


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock.json")  # written by `ensure`
    }


def test_two_builds_are_the_same_bytes(tiny_root: Path, tmp_path: Path) -> None:
    import torch

    kept = digests(ensure("qwen25vl", tiny_root))
    state = torch.random.get_rng_state()
    torch.default_generator.manual_seed(99)
    disturbed = torch.random.get_rng_state()
    qwen25vl.build(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), disturbed)
    torch.random.set_rng_state(state)
    assert digests(tmp_path) == kept
    assert {Path(name).suffix for name in kept} == {".json", ".jinja", ".safetensors"}
    assert {Path(name).parts[0] for name in kept} == {path.name for path in CARD.folders(Path())}


def test_it_is_small(tiny_root: Path) -> None:
    files = ensure("qwen25vl", tiny_root).rglob("*")
    assert sum(path.stat().st_size for path in files if path.is_file()) < 500_000


def test_the_library_reads_it_as_the_real_architecture(tiny_root: Path) -> None:
    from transformers import AutoConfig, AutoProcessor

    (path,) = CARD.folders(ensure("qwen25vl", tiny_root))
    config = AutoConfig.from_pretrained(path, local_files_only=True)
    assert config.architectures == ["Qwen2_5_VLForConditionalGeneration"]
    processor = AutoProcessor.from_pretrained(path, local_files_only=True)
    words = processor.tokenizer
    assert words.eos_token == "<|im_end|>" and len(words) == config.text_config.vocab_size
    said = '{"objects": [{"name": "cat"}]} 4, the reason is that é'
    assert words.decode(words(said)["input_ids"]) == said
