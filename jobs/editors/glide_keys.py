"""Which tensor of a published checkpoint of GLIDE is which of ours, one to one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from jobs.editors.glide_layout import Layout

#: Module of a published residual block -> ours.
RESIDUAL = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2", "out_layers.3": "conv2",
}  # fmt: skip
#: Module of a published text layer -> ours; its query, key and value are one matrix in both.
TEXT = {
    "attn.c_proj": "self_attn.out_proj", "mlp.c_fc": "linear1", "mlp.c_proj": "linear2",
    "ln_1": "norm1", "ln_2": "norm2",
}  # fmt: skip
ENDS = {
    "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
    "transformer_proj": "class_embedding", "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out", "out.2": "conv_out",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """A published tensor to `targets` of ours; below "text." those of the text encoder. With
    `heads` its rows are (heads, parts, width of a head), ours (parts, heads, width of a head)."""

    targets: tuple[str, ...]
    heads: int = 0
    parts: int = 1

    def take(self, source: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Ours, by name. A 1 x 1 convolution over a line is the linear map that it is."""
        flat = source[..., 0] if source.ndim == 3 else source
        if not self.heads:
            yield self.targets[0], flat
            return
        by_head = flat.reshape(self.heads, self.parts, -1, *flat.shape[1:])
        rows = by_head.transpose(0, 1).reshape(flat.shape)
        yield from zip(self.targets, rows.chunk(len(self.targets)), strict=True)


def moves(layout: Layout) -> dict[str, Move]:
    """Every tensor of a published checkpoint, and where it goes."""
    found = dict(_network(layout))
    names = {"token_embedding.weight": "embedding.weight", "positional_embedding": "position",
             "padding_embedding": "padding"}  # fmt: skip
    found |= {name: Move((f"text.{ours}",)) for name, ours in names.items()}
    found |= dict(_pairs("final_ln", "text.norm"))
    for i in range(layout.layers):
        block, ours = f"transformer.resblocks.{i}", f"text.layers.layers.{i}"
        for module, name in TEXT.items():
            found |= dict(_pairs(f"{block}.{module}", f"{ours}.{name}"))
        for end in ("weight", "bias"):
            target = (f"{ours}.self_attn.in_proj_{end}",)
            found[f"{block}.attn.c_qkv.{end}"] = Move(target, layout.heads, parts=3)
    return found


def _pairs(source: str, *targets: str, heads: int = 0) -> Iterator[tuple[str, Move]]:
    for end in ("weight", "bias"):
        yield (
            f"{source}.{end}",
            Move(tuple(f"{target}.{end}" for target in targets), heads, len(targets)),
        )


def _network(layout: Layout) -> Iterator[tuple[str, Move]]:
    """The UNet: published blocks are one list down and one up, ours have levels."""
    widths, first, last = layout.widths, layout.first, len(layout.widths) - 1
    for module, ours in ENDS.items():
        yield from _pairs(module, ours)
    stack = [widths[0]]  # of the widths that are handed over to the way up
    at, wide = 1, widths[0]
    for level, width in enumerate(widths):
        for i in range(layout.blocks):
            block, ours = f"input_blocks.{at}", f"down_blocks.{level}"
            yield from _residual(f"{block}.0", f"{ours}.resnets.{i}", wide != width)
            if level >= first:
                yield from _attention(f"{block}.1", f"{ours}.attentions.{i}", width, layout)
            wide, at = width, at + 1
            stack.append(width)
        if level < last:
            ours = f"down_blocks.{level}.downsamplers.0"
            yield from _residual(f"input_blocks.{at}.0", ours, False)
            at += 1
            stack.append(width)
    yield from _residual("middle_block.0", "mid_block.resnets.0", False)
    yield from _attention("middle_block.1", "mid_block.attentions.0", wide, layout)
    yield from _residual("middle_block.2", "mid_block.resnets.1", False)
    at = 0
    for k, level in enumerate(reversed(range(last + 1))):
        for i in range(layout.blocks + 1):
            block, ours = f"output_blocks.{at}", f"up_blocks.{k}"
            widened = wide + stack.pop() != widths[level]
            yield from _residual(f"{block}.0", f"{ours}.resnets.{i}", widened)
            wide, at = widths[level], at + 1
            if level >= first:
                yield from _attention(f"{block}.1", f"{ours}.attentions.{i}", wide, layout)
            if level and i == layout.blocks:
                after = 2 if level >= first else 1
                yield from _residual(f"{block}.{after}", f"{ours}.upsamplers.0", False)


def _residual(source: str, target: str, widened: bool) -> Iterator[tuple[str, Move]]:
    for module, ours in RESIDUAL.items():
        yield from _pairs(f"{source}.{module}", f"{target}.{ours}")
    if widened:
        yield from _pairs(f"{source}.skip_connection", f"{target}.conv_shortcut")


def _attention(source: str, target: str, width: int, layout: Layout) -> Iterator[tuple[str, Move]]:
    def inside(*names: str) -> list[str]:
        return [f"{target}.{name}" for name in names]

    heads = width // layout.head
    yield from _pairs(f"{source}.norm", f"{target}.group_norm")
    yield from _pairs(f"{source}.qkv", *inside("to_q", "to_k", "to_v"), heads=heads)
    yield from _pairs(f"{source}.encoder_kv", *inside("add_k_proj", "add_v_proj"), heads=heads)
    yield from _pairs(f"{source}.proj_out", f"{target}.to_out.0")
