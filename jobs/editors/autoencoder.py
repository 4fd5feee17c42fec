"""A pipeline's image autoencoder, watched: whether its numbers are finite, and in which precision.

Half precision overflows in some autoencoders, and the libraries clamp infinity to white and cast
NaN to black without a word. So both ends of the decoder are looked at before any clamp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor

from jobs.editors import Painted


class Watch:
    """Stands before `encode` and `decode` of a network, which may be of another precision than the
    tensors that come in. `finite` tells of each sample that was decoded since `reset`."""

    def __init__(self, network: Any) -> None:
        self.network, self.finite = network, list[bool]()
        self._encode, self._decode = network.encode, network.decode
        network.encode, network.decode = self.encode, self.decode
        # Else some pipelines move the network to float32 to encode, and back to the pictures' type.
        network.register_to_config(force_upcast=False)

    def reset(self) -> None:
        self.finite = []

    def encode(self, pictures: Tensor, *args: Any, **how: Any) -> Any:
        """As the network's own; the answer is of the precision of `pictures`."""
        found = self._encode(pictures.to(self.network.dtype), *args, **how)
        if "latents" in found:
            found["latents"] = found["latents"].to(pictures.dtype)
        else:
            moments = found["latent_dist"].parameters.to(pictures.dtype)
            found["latent_dist"] = DiagonalGaussianDistribution(moments)
        return found

    def decode(self, latents: Tensor, *args: Any, **how: Any) -> Any:
        """As the network's own; the answer is of the network's precision."""
        found = self._decode(latents.to(self.network.dtype), *args, **how)
        pictures = found[0]
        sound = torch.isfinite(latents).flatten(1).all(1) & torch.isfinite(pictures).flatten(1).all(
            1
        )
        self.finite += sound.tolist()
        return found


def watch(network: Any) -> Watch:
    """The one watch of `network`, which may be part of several pipelines."""
    known = network.__dict__.get("palimpsest_watch")
    if not isinstance(known, Watch):
        known = network.__dict__["palimpsest_watch"] = Watch(network)
    return known


def watched(pipe: Any) -> Watch | None:
    """The watch of the autoencoder of `pipe`, if it has one."""
    network = getattr(pipe, "vae", None) or getattr(pipe, "movq", None)
    return None if network is None else watch(network)


@contextmanager
def _precisely(network: Any) -> Iterator[None]:
    """The network in float32, and afterwards as it was. bfloat16 comes back as the same bits."""
    before = network.dtype
    network.to(torch.float32)
    try:
        yield
    finally:
        network.to(before)


def with_retry(
    paint: Callable[[Sequence[int]], list[Painted]], count: int, pipe: Any
) -> list[Painted]:
    """`paint` for the rows 0 to `count`; a row that is not finite once more, alone, with the
    autoencoder of `pipe` in float32, unless it is already. A second failure stands."""
    done = paint(range(count))
    seen = watched(pipe)
    if seen is None or seen.network.dtype == torch.float32:
        return done
    for row in [i for i, one in enumerate(done) if one.fault == "nan-latents"]:
        with _precisely(seen.network):
            (again,) = paint([row])
        done[row] = replace(again, notes=(*again.notes, "vae-float32"))
    return done
