"""GLIDE's published parameters, reconstructed from the architecture's facts, fit our networks."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.editors import Settings
from jobs.editors.glide_convert import convert, main
from jobs.editors.glide_keys import moves
from jobs.editors.glide_layout import PUBLISHED, Layout, empty
from jobs.editors.glide_net import Stage
from jobs.tiny.glide import BASE, UPSAMPLER
from pipeline.errors import PERMANENT, InputError, guard
from pipeline.store import digest

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def line(name: str, out: int, into: int, *kernel: int) -> Shapes:
    yield f"{name}.weight", (out, into, *kernel)
    yield f"{name}.bias", (out,)


def norm(name: str, width: int) -> Shapes:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def residual(name: str, into: int, out: int, time: int) -> Shapes:
    yield from norm(f"{name}.in_layers.0", into)
    yield from line(f"{name}.in_layers.2", out, into, 3, 3)
    yield from line(f"{name}.emb_layers.1", 2 * out, time)  # a scale and a shift
    yield from norm(f"{name}.out_layers.0", out)
    yield from line(f"{name}.out_layers.3", out, out, 3, 3)
    if into != out:
        yield from line(f"{name}.skip_connection", out, into, 1, 1)


def attention(name: str, width: int, text: int) -> Shapes:
    yield from norm(f"{name}.norm", width)
    yield from line(f"{name}.qkv", 3 * width, width, 1)
    yield from line(f"{name}.encoder_kv", 2 * width, text, 1)
    yield from line(f"{name}.proj_out", width, width, 1)


def published(it: Layout) -> Shapes:
    """Names and shapes of a published checkpoint: one flat list of blocks down, one up."""
    time, wide, text = 4 * it.widths[0], it.widths[0], it.width
    yield from line("time_embed.0", time, wide)
    yield from line("time_embed.2", time, time)
    yield from line("transformer_proj", time, text)
    yield "token_embedding.weight", (it.vocabulary, text)
    yield "positional_embedding", (it.context, text)
    yield "padding_embedding", (it.context, text)
    for i in range(it.layers):
        block = f"transformer.resblocks.{i}"
        yield from line(f"{block}.attn.c_qkv", 3 * text, text)
        yield from line(f"{block}.attn.c_proj", text, text)
        yield from line(f"{block}.mlp.c_fc", 4 * text, text)
        yield from line(f"{block}.mlp.c_proj", text, 4 * text)
        yield from norm(f"{block}.ln_1", text)
        yield from norm(f"{block}.ln_2", text)
    yield from norm("final_ln", text)
    yield from line("input_blocks.0.0", wide, it.channels, 3, 3)
    heights, scale, at = [wide], 1, 1
    attend = [2**level for level in range(it.first, len(it.widths))]
    for level, width in enumerate(it.widths):
        for _ in range(it.blocks):
            yield from residual(f"input_blocks.{at}.0", wide, width, time)
            if scale in attend:
                yield from attention(f"input_blocks.{at}.1", width, text)
            wide, at = width, at + 1
            heights.append(wide)
        if level + 1 < len(it.widths):
            yield from residual(f"input_blocks.{at}.0", wide, wide, time)
            heights.append(wide)
            scale, at = 2 * scale, at + 1
    yield from residual("middle_block.0", wide, wide, time)
    yield from attention("middle_block.1", wide, text)
    yield from residual("middle_block.2", wide, wide, time)
    at = 0
    for level in reversed(range(len(it.widths))):
        for i in range(it.blocks + 1):
            yield from residual(
                f"output_blocks.{at}.0", wide + heights.pop(), it.widths[level], time
            )
            wide, inner = it.widths[level], 1
            if scale in attend:
                yield from attention(f"output_blocks.{at}.1", wide, text)
                inner = 2
            if level and i == it.blocks:
                yield from residual(f"output_blocks.{at}.{inner}", wide, wide, time)
                scale //= 2
            at += 1
    yield from norm("out.0", wide)
    yield from line("out.2", 6, wide, 3, 3)


def checkpoint(layout: Layout) -> dict[str, torch.Tensor]:
    """Every number another: the tensors count through."""
    found, next_one = {}, 0
    for name, shape in published(layout):
        size = int(np.prod(shape))
        found[name] = torch.arange(next_one, next_one + size, dtype=torch.float32).reshape(shape)
        next_one += size
    assert next_one < 2**24, "float32 holds no more whole numbers"
    return found


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_and_shapes_match_the_published_model_one_to_one(name: str) -> None:
    layout = PUBLISHED[name]
    shapes, known = dict(published(layout)), moves(layout)
    assert shapes.keys() == known.keys()
    targets = Counter(target for move in known.values() for target in move.targets)
    assert set(targets.values()) == {1}
    unet, text = empty(layout)
    ours = {key: tuple(value.shape) for key, value in unet.state_dict().items()}
    ours |= {f"text.{key}": tuple(value.shape) for key, value in text.state_dict().items()}
    made = {}
    for source, shape in shapes.items():
        for target, part in known[source].take(torch.empty(shape, device="meta")):
            made[target] = tuple(part.shape)
    assert made == ours


def test_the_inpainting_model_has_its_published_size() -> None:
    total = sum(int(np.prod(shape)) for _, shape in published(PUBLISHED["base_inpaint"]))
    assert round(total / 1e6, 1) == 385.0


@pytest.mark.parametrize("layout", [BASE, UPSAMPLER], ids=["base", "upsampler"])
def test_every_number_arrives_once(layout: Layout, tmp_path: Path) -> None:
    given = checkpoint(layout)
    convert(given, layout, tmp_path)
    stage = Stage.read(tmp_path, Settings())
    ours = [*stage.unet.state_dict().values(), *stage.text.state_dict().values()]
    there = torch.cat([tensor.flatten() for tensor in ours]).sort().values
    assert torch.equal(there, torch.arange(len(there), dtype=torch.float32))
    assert len(there) == sum(tensor.numel() for tensor in given.values())


def test_rows_of_heads_become_rows_of_queries_keys_and_values(tmp_path: Path) -> None:
    given = checkpoint(BASE)
    convert(given, BASE, tmp_path)
    stage = Stage.read(tmp_path, Settings())
    head, width = BASE.head, BASE.widths[1]
    source = given["input_blocks.3.1.qkv.weight"][..., 0]
    ours = stage.unet.down_blocks[1].attentions[0]
    for part, line in enumerate((ours.to_q, ours.to_k, ours.to_v)):
        for row in range(width):
            published_row = row // head * 3 * head + part * head + row % head
            assert torch.equal(line.weight[row], source[published_row])
    told = given["transformer.resblocks.1.attn.c_qkv.bias"]
    inside = BASE.width // BASE.heads
    bias = stage.text.layers.layers[1].self_attn.in_proj_bias
    for row in range(3 * BASE.width):
        part, rest = divmod(row, BASE.width)
        assert bias[row] == told[rest // inside * 3 * inside + part * inside + rest % inside]


def test_half_precision_is_widened_and_safetensors_is_written(tmp_path: Path) -> None:
    given = {name: tensor.clamp(max=9).half() for name, tensor in checkpoint(BASE).items()}
    convert(given, BASE, tmp_path)
    assert Stage.read(tmp_path, Settings()).unet.dtype == torch.float32
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {
        ".json", ".safetensors"
    }  # fmt: skip


def test_another_model_is_refused_by_name() -> None:
    given = checkpoint(BASE)
    del given["out.2.bias"]
    with pytest.raises(InputError, match=r"'out\.2\.bias' is one of 1"):
        convert(given, BASE, Path("/nowhere"))
    with pytest.raises(InputError, match=r"GLIDE: size mismatch for conv_in\.weight.*\)\.$"):
        convert(checkpoint(UPSAMPLER), BASE, Path("/nowhere"))
    with pytest.raises(InputError, match=r"conv_in\.weight"):
        convert(checkpoint(BASE) | {"input_blocks.0.0.weight": torch.zeros(8, 3, 3, 3)}, BASE,
                Path("/nowhere"))  # fmt: skip


def test_the_command_makes_a_folder_that_paints(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.editors.glide import load
    from jobs.tiny.cache import ensure

    draw = torch.Generator().manual_seed(0)
    for name, layout in (("base_inpaint", BASE), ("upsample_inpaint", UPSAMPLER)):
        made = {key: torch.randn(shape, generator=draw) * 0.05 for key, shape in published(layout)}
        torch.save(made, tmp_path / f"{name}.pt")
        monkeypatch.setitem(PUBLISHED, name, layout)
    words = ensure("glide", tiny_root) / "glide-inpaint" / "tokenizer"
    out = tmp_path / "weights" / "glide-inpaint"
    argv = [f"--inpaint={tmp_path}/base_inpaint.pt", f"--upsampler={tmp_path}/upsample_inpaint.pt",
            f"--tokenizer={words}", f"--out={out}"]  # fmt: skip
    assert guard(main, argv) == 0
    assert len(digest([out])) == 16, "it is locked"
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    hole = np.zeros((64, 64), np.bool_)
    hole[8:40, 8:40] = True
    (found,) = load(tmp_path / "weights", Settings(steps=1)).inpaint([picture], [hole], ["a"], [1])
    assert found.pixels is not None and found.pixels[hole].std() > 5


def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("it ran",)

    torch.save({"out.2.bias": Evil()}, tmp_path / "evil.pt")
    argv = [f"--inpaint={tmp_path}/evil.pt", f"--tokenizer={tmp_path}", f"--out={tmp_path}/out"]
    assert guard(main, argv) == PERMANENT
    said = capsys.readouterr()
    assert "it ran" not in said.out and "holds more than numbers" in said.err
