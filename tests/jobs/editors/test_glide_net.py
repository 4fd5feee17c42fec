"""GLIDE's published choice of steps, and arithmetic in float32 whatever the network's precision."""

from typing import Any

import pytest
import torch

from jobs.editors.glide_net import Stage, fast27, spaced


def test_even_steps_are_the_published_ones() -> None:
    assert spaced([100], 1000)[:4] == [999, 989, 979, 969]
    assert spaced([100], 1000)[-2:] == [10, 0]
    assert len(spaced([100], 1000)) == 100
    assert spaced([4], 4) == [3, 2, 1, 0]


def test_the_upsampler_takes_27_uneven_steps() -> None:
    """By hand from the published rule: 10, 10, 3, 2 and 2 steps of 200 each, 999 moved to 997."""
    found = fast27(1000)
    assert len(found) == len(set(found)) == 27
    assert found[:7] == [997, 800, 799, 600, 599, 500, 400]
    assert found[-10:] == [199, 177, 155, 133, 111, 88, 66, 44, 22, 0]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(("guidance", "rows"), [(5.0, 4), (None, 2)])
def test_guidance_costs_a_second_half_only_where_it_is_used(
    guidance: float | None, rows: int
) -> None:
    from diffusers import DDPMScheduler

    seen: list[tuple[int, torch.dtype]] = []

    class Net:
        dtype = torch.bfloat16

        def __call__(self, noisy: torch.Tensor, step: int, states: Any, class_labels: Any) -> Any:
            seen.append((len(noisy), noisy.dtype))
            sample = torch.zeros(len(noisy), 6, 8, 8, dtype=torch.bfloat16)
            return type("Out", (), {"sample": sample})

    scheduler = DDPMScheduler(variance_type="learned_range", beta_schedule="squaredcos_cap_v2")
    pictures = torch.rand(2, 3, 8, 8) * 2 - 1
    holes = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    holes[..., :4] = True
    made = Stage(Net(), scheduler, None).paint(  # type: ignore[arg-type]  # no text is encoded
        torch.zeros(rows, 4, 16), pictures, holes, steps=[999, 500, 0], guidance=guidance,
        draws=[torch.Generator().manual_seed(i) for i in range(2)],
    )  # fmt: skip
    assert seen == [(rows, torch.bfloat16)] * 3
    assert made.dtype == torch.float32
    assert torch.equal(made[..., 4:], pictures[..., 4:])
