"""What a sample is made from depends on the seed, the photographs and its key, and nothing else."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.bases import CAPTIONS, Base, bases
from jobs.coco import Photo, Photographs
from pipeline.config import Config
from pipeline.errors import ConfigError


def photographs(count: int) -> Photographs:
    names = [f"p{i}" for i in range(count)]
    return Photographs(
        photos={name: Photo(Path(name), name) for name in names},
        captions={"p0": ["one", "two", "three"]},
        split={name: "val" if i == 1 else "train" for i, name in enumerate(names)},
    )


def everything(config: Config, found: Photographs) -> dict[str, Base]:
    return {
        key: base
        for shard in range(config.shards)
        for key, base in bases(config, found, config.keys(shard))
    }


def test_the_answer_does_not_depend_on_which_shard_is_asked_first(
    configured: Callable[..., Config],
) -> None:
    config = configured(samples=50, shard_size=8)
    once = everything(config, photographs(9))
    for shard in reversed(range(config.shards)):
        again = dict(bases(config, photographs(9), config.keys(shard)))
        assert again == {key: once[key] for key in again}


def test_neither_the_order_of_the_photographs_nor_the_partitions_matter(
    configured: Callable[..., Config],
) -> None:
    config, found = configured(samples=50), photographs(9)
    turned = Photographs(dict(reversed(found.photos.items())), found.captions, {}, found.split)
    elsewhere = configured(samples=50, local={"partitions": 7}, photos="/elsewhere")
    assert everything(config, found) == everything(elsewhere, turned)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("size", [1, 7, 8, 40])
def test_the_share_of_ai_made_bases_is_met_exactly(
    configured: Callable[..., Config], share: float, size: int
) -> None:
    config = configured(samples=40, shard_size=size, bases={"ai_share": share})
    found = everything(config, photographs(5))
    assert sum(base.family != "" for base in found.values()) == int(share * 40 + 0.5)
    for shard in range(config.shards):
        keys = config.keys(shard)
        assert abs(sum(found[key].family != "" for key in keys) - share * len(keys)) <= 1


def test_families_take_turns_at_ai_made_bases(configured: Callable[..., Config]) -> None:
    families = {"sd2": 1, "sdxl": 2, "flux": 3}
    config = configured(samples=30, shard_size=30, families=families, bases={"ai_share": 0.5})
    count = Counter(base.family for base in everything(config, photographs(5)).values())
    assert count == {"": 15, "sd2": 5, "sdxl": 5, "flux": 5}


def test_every_photograph_is_used_before_one_is_used_again(
    configured: Callable[..., Config],
) -> None:
    found = everything(configured(samples=20, shard_size=6), photographs(9))
    count = Counter(base.source_id for base in found.values())
    assert len(count) == 9 and set(count.values()) == {2, 3}


def test_a_sample_is_on_the_side_of_its_photograph(configured: Callable[..., Config]) -> None:
    found = everything(configured(samples=30), photographs(4))
    assert {base.split for base in found.values() if base.source_id == "p1"} == {"val"}
    assert {base.split for base in found.values() if base.source_id != "p1"} == {"train"}


def test_captions_are_the_photographs_own_where_it_has_some(
    configured: Callable[..., Config],
) -> None:
    found = everything(configured(samples=60), photographs(2)).values()
    assert {base.caption for base in found if base.source_id == "p0"} == {"one", "two", "three"}
    assert {base.caption for base in found if base.source_id == "p1"} <= set(CAPTIONS)
    assert len({base.caption for base in found if base.source_id == "p1"}) > 3


def test_another_seed_gives_other_bases(configured: Callable[..., Config]) -> None:
    one, two = (everything(configured(seed=seed), photographs(9)) for seed in (1, 2))
    assert one != two


def test_centre_crops_cannot_make_more_samples_than_photographs(
    configured: Callable[..., Config],
) -> None:
    config = configured(samples=10, bases={"crops": "centre"})
    with pytest.raises(ConfigError, match=r"samples: 10 .* 9 photographs .* bases\.crops"):
        bases(config, photographs(9), config.keys(0))
    found = everything(config, photographs(10))
    assert len({base.source_id for base in found.values()}) == 10
