"""Plans keep their quotas within each shard, and never promise what cannot be painted."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.plan import plan
from jobs.taxonomy import CATEGORIES
from pipeline.config import Config
from pipeline.documents import Plan, Region, Regions, Source
from pipeline.records import ToPlan

EIGHT = {name: i for i, name in enumerate("abcdefgh", 1)}


def item(
    number: int, areas: Sequence[float], base: str = "real", category: str = "other"
) -> ToPlan:
    source = Source(source_id="s", split="train", base=base)  # type: ignore[arg-type]
    regions = tuple(
        Region(name="r", category=category, area=area, box=(0, 0, 1, 1), origin="segmenter")
        for area in areas
    )
    return ToPlan(f"{number:08d}", source, Regions(regions=regions))


def shard(count: int, regions: int = 4, base: str = "real") -> list[ToPlan]:
    return [item(i, [0.01, 0.05, 0.1, 0.3][:regions], base) for i in range(count)]


def plans(config: Config, items: Sequence[ToPlan]) -> list[Plan]:
    return [one.plan for one in plan(config, items)]


@pytest.fixture
def eight(configured: Callable[..., Config]) -> Config:
    return configured(families=EIGHT)


def test_turns_are_one_to_four_to_five(eight: Config) -> None:
    count = Counter(len(one.turns) for one in plans(eight, shard(40)))
    assert count == {1: 4, 2: 16, 3: 20}


def test_the_ratio_holds_for_each_kind_of_base(eight: Config) -> None:
    mixed = [item(i, [0.1] * 3, "ai" if i % 2 else "real") for i in range(40)]
    for base in ("ai", "real"):
        pairs = zip(mixed, plans(eight, mixed), strict=True)
        count = Counter(len(made.turns) for one, made in pairs if one.source.base == base)
        assert count == {1: 2, 2: 8, 3: 10}


def spread(config: Config, items: Sequence[ToPlan]) -> int:
    """The most, over turns, that any two families differ by."""
    made = plans(config, items)
    drawn = [
        [sum(one.turns[turn].family == family for one in made if len(one.turns) > turn)
         for family in config.families]
        for turn in range(3)
    ]  # fmt: skip
    return max(max(counts) - min(counts) for counts in drawn)


@pytest.mark.parametrize("seed", range(5))
def test_families_are_even_at_every_turn(configured: Callable[..., Config], seed: int) -> None:
    assert spread(configured(families=EIGHT, seed=seed), shard(40)) <= 1


@pytest.mark.parametrize("families", range(1, 9))
def test_any_number_of_families_stays_nearly_even_whatever_the_regions(
    configured: Callable[..., Config], families: int
) -> None:
    for seed in range(3):
        config = configured(families=dict(list(EIGHT.items())[:families]), seed=seed)
        mixed = [item(i, [0.1] * (1 + (i * 7 + seed) % 4)) for i in range(40)]
        assert spread(config, mixed) <= 2


@pytest.mark.parametrize("families", [3, 4, 8])
def test_no_family_paints_twice_in_a_sample(
    configured: Callable[..., Config], families: int
) -> None:
    config = configured(families=dict(list(EIGHT.items())[:families]))
    for one in plans(config, shard(60)):
        assert len({turn.family for turn in one.turns}) == len(one.turns)


def test_with_two_families_both_have_painted_before_one_paints_again(
    configured: Callable[..., Config],
) -> None:
    made = plans(configured(families={"a": 1, "b": 2}), shard(40))
    assert all(
        {turn.family for turn in one.turns[:2]} == {"a", "b"} for one in made if one.turns[1:]
    )
    thirds = [one.turns[2].family == one.turns[1].family for one in made if one.turns[2:]]
    assert any(thirds) and not all(thirds)


def test_edit_types_keep_their_weights(configured: Callable[..., Config]) -> None:
    weights = {"attribute": 1.0, "addition": 3.0, "removal": 0.0}
    config = configured(families=EIGHT, edit_types=weights)
    count = Counter(turn.edit for one in plans(config, shard(40)) for turn in one.turns)
    assert set(count) == {"attribute", "addition"}
    assert abs(count["addition"] - 0.75 * count.total()) <= 1


def test_regions_of_all_sizes_and_categories_are_chosen_alike(eight: Config) -> None:
    items = [
        item(i, [0.01, 0.05, 0.1, 0.3], category=CATEGORIES[i % len(CATEGORIES)]) for i in range(40)
    ]
    made = plans(eight, items)
    chosen = Counter(turn.region for one in made for turn in one.turns)
    assert max(chosen.values()) - min(chosen.values()) <= 3


@pytest.mark.parametrize(
    ("turns", "regions", "planned"),
    [
        ({1: 1, 2: 4, 3: 5}, 1, {1}),
        ({1: 1, 2: 4, 3: 5}, 2, {1, 2}),
        ({2: 1, 3: 1}, 1, {1}),
        ({3: 1}, 2, {2}),
        ({3: 1}, 1, {1}),
        ({1: 0, 2: 4, 3: 5}, 2, {2}),
        ({1: 0, 2: 4, 3: 5}, 4, {2, 3}),
        ({1: 5, 2: 0, 3: 0}, 4, {1}),
    ],
)
def test_there_are_never_more_turns_than_regions_nor_a_number_of_weight_zero(
    configured: Callable[..., Config], turns: dict[int, int], regions: int, planned: set[int]
) -> None:
    made = plans(configured(families=EIGHT, turns=turns), shard(24, regions))
    assert {len(one.turns) for one in made} == planned


def test_poor_pictures_do_not_starve_rich_ones(eight: Config) -> None:
    """A fifth of the pictures have one region; the others make up for it."""
    mixed = [item(i, [0.1] * (1 if i % 5 == 0 else 3)) for i in range(40)]
    count = Counter(len(one.turns) for one in plans(eight, mixed))
    assert count[1] == 8 and abs(count[2] - 32 * 4 / 9) <= 1 and count.total() == 40


AREAS = st.lists(st.floats(0.005, 1.0), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(AREAS, min_size=1, max_size=12), st.randoms(), st.integers(1, 8))
def test_a_plan_is_valid_and_does_not_depend_on_the_order_of_the_samples(
    configured: Callable[..., Config],
    shapes: list[list[float]],
    shuffle: random.Random,
    families: int,
) -> None:
    config = configured(families=dict(list(EIGHT.items())[:families]))
    items = [item(i, areas, "ai" if i % 3 else "real") for i, areas in enumerate(shapes)]
    made = {one.key: found for one, found in zip(items, plans(config, items), strict=True)}
    for one in items:
        turns = made[one.key].turns
        regions = [turn.region for turn in turns]
        assert 1 <= len(turns) <= min(3, len(one.regions.regions))
        assert len(set(regions)) == len(regions) <= len(one.regions.regions)
        assert set(regions) <= set(range(len(one.regions.regions)))
        assert {turn.family for turn in turns} <= set(config.families)
    turned = list(items)
    shuffle.shuffle(turned)
    again = {one.key: found for one, found in zip(turned, plans(config, turned), strict=True)}
    assert again == made


RICH = st.lists(st.integers(3, 6), min_size=1, max_size=40)


def most(counts: Counter[str], weights: dict[str, float]) -> float:
    """How far the count of any kind is from its share."""
    total = sum(weights.values())
    return max(abs(counts[k] - counts.total() * w / total) for k, w in weights.items())


@settings(max_examples=60, deadline=None)
@given(RICH, st.integers(0, 99), st.integers(3, 8), st.sampled_from([0.0, 0.2, 0.5]))
def test_each_shard_is_within_one_of_its_quotas_and_so_is_each_kind_of_base(
    configured: Callable[..., Config], rich: list[int], seed: int, families: int, ai: float
) -> None:
    """Where every sample has as many regions as turns may be asked of it."""
    config = configured(families=dict(list(EIGHT.items())[:families]), seed=seed)
    draw = random.Random(seed)
    items = [item(i, [0.1] * n, "ai" if draw.random() < ai else "real")
             for i, n in enumerate(rich)]  # fmt: skip
    pairs = list(zip(items, plans(config, items), strict=True))
    for base in ("ai", "real", None):
        made = [one for thing, one in pairs if base in (thing.source.base, None)]
        turns = Counter(str(len(one.turns)) for one in made)
        assert most(turns, {str(n): w for n, w in config.turns.items()}) < 1
        edits = Counter(str(turn.edit) for one in made for turn in one.turns)
        assert most(edits, {str(kind): w for kind, w in config.edit_types.items()}) < 1
        for n in range(3):
            painters = Counter(one.turns[n].family for one in made if len(one.turns) > n)
            assert most(painters, dict.fromkeys(config.families, 1.0)) < 2


@pytest.mark.parametrize("size", [4, 16])
def test_small_shards_keep_the_ratio_over_many(eight: Config, size: int) -> None:
    """A shard of four has 0.4 samples of one turn; the run still has a tenth of them."""
    config = eight.model_copy(update={"shard_size": size, "samples": 1600})
    made = Counter(
        len(one.turns)
        for first in range(0, 1600, size)
        for one in plans(config, [item(first + i, [0.1] * 3) for i in range(size)])
    )
    for count, share in {1: 0.1, 2: 0.4, 3: 0.5}.items():
        assert made[count] / 1600 == pytest.approx(share, abs=0.03)


def test_a_shard_is_planned_alike_whatever_was_planned_before(eight: Config) -> None:
    """Any cut into partitions is an order of shards, over processes: nothing is handed on."""
    shards = [[item(8 * n + i, [0.01, 0.1, 0.3]) for i in range(8)] for n in range(4)]
    alone = [plans(eight, one) for one in shards]
    assert [plans(eight, one) for one in reversed(shards)] == alone[::-1]
    assert len({str(one) for one in alone}) == 4, "shards are not all planned alike"


def test_categories_and_sizes_follow_the_weights_of_the_config(
    configured: Callable[..., Config],
) -> None:
    weights = {"food": 3.0, "animals": 1.0, "signs": 0.0}
    config = configured(families=EIGHT, turns={1: 1}, quotas={
        "categories": weights, "area_bounds": [0.2], "area_weights": [1, 3]})  # fmt: skip
    kinds = ("food", "animals", "signs", "humans")
    items = []
    for i in range(40):
        regions = tuple(
            Region(name="r", category=kind, area=area, box=(0, 0, 1, 1), origin="segmenter")
            for kind in kinds for area in (0.1, 0.3)
        )  # fmt: skip
        source = Source(source_id="s", split="train", base="real")
        items.append(ToPlan(f"{i:08d}", source, Regions(regions=regions)))
    chosen = [one.regions.regions[made.turns[0].region]
              for one, made in zip(items, plans(config, items), strict=True)]  # fmt: skip
    assert Counter(region.category for region in chosen) == {"food": 30, "animals": 10}
    assert Counter(region.area for region in chosen) == {0.1: 10, 0.3: 30}


def test_the_categories_of_the_quotas_are_those_of_the_taxonomy(eight: Config) -> None:
    assert set(eight.quotas.categories) == set(CATEGORIES)


def test_another_seed_gives_another_plan(configured: Callable[..., Config]) -> None:
    one, two = (plans(configured(families=EIGHT, seed=seed), shard(8)) for seed in (1, 2))
    assert one != two
