"""Draws stay near their target shares, whatever the weights."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.quota import Quota, allotted, rounded, shares
from pipeline.seeds import seed

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def ties(kinds: list[int], draw: int) -> dict[int, int]:
    return {kind: seed(1, draw, kind) for kind in kinds}


@given(WEIGHTS, st.integers(1, 120))
def test_every_kind_stays_near_its_share_at_every_moment(weights: list[int], draws: int) -> None:
    kinds = list(range(len(weights)))
    quota = Quota(dict(enumerate(weights)))
    for n in range(1, draws + 1):
        quota.draw(kinds, ties(kinds, n))
        for kind, weight in enumerate(weights):
            share = weight / sum(weights) * n
            assert share - 2 < quota.drawn[kind] < share + 1 + 1e-9


@given(st.integers(1, 8), st.integers(0, 60))
def test_equal_shares_differ_by_one_at_most(count: int, draws: int) -> None:
    kinds = list(range(count))
    quota = Quota(dict.fromkeys(kinds, 1.0))
    for n in range(draws):
        quota.draw(kinds, ties(kinds, n))
    drawn = [quota.drawn[kind] for kind in kinds]
    assert sum(drawn) == draws and max(drawn) - min(drawn) <= 1


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 3), min_size=1), max_size=60))
def test_what_is_not_possible_is_never_drawn_and_is_made_up_for(possible: list[set[int]]) -> None:
    quota = Quota({0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0})
    for n, among in enumerate(possible):
        assert quota.draw(sorted(among), ties(list(range(4)), n)) in among
    count = len(possible)
    for n in range(count, 40 * (count + 1)):
        quota.draw(range(4), ties(list(range(4)), n))
    for kind, share in enumerate((0.1, 0.2, 0.3, 0.4)):
        assert abs(quota.drawn[kind] - share * 40 * (count + 1)) < 2


def test_ties_fall_by_the_order_given() -> None:
    quota = Quota({"a": 1.0, "b": 1.0})
    assert quota.draw("ab", {"a": 1, "b": 2}) == "b"
    assert quota.draw("ab", {"a": 1, "b": 2}) == "a"


def test_a_kind_of_weight_zero_is_not_drawn() -> None:
    quota = Quota({"a": 1.0, "b": 0.0, "c": 2.0})
    drawn = Counter(quota.draw("abc", {"a": 0, "b": 9, "c": 1}) for _ in range(30))
    assert drawn == {"a": 10, "c": 20}


def test_a_draw_that_is_taken_back_has_never_been() -> None:
    quota = Quota({"a": 1.0, "b": 2.0})
    quota.count("a", "real")
    quota.count("b", "ai")
    before = [quota.deficit(kind, group) for kind in "ab" for group in ("real", "ai")]
    quota.count("b", "real")
    quota.count("b", "real", -1)
    assert [quota.deficit(kind, group) for kind in "ab" for group in ("real", "ai")] == before


def test_a_kind_that_its_group_lacks_is_wanted_more() -> None:
    quota = Quota({"a": 1.0, "b": 1.0})
    quota.count("a", "real")
    quota.count("b", "ai")
    assert quota.deficit("a", "ai") > quota.deficit("b", "ai")
    assert quota.deficit("b", "real") > quota.deficit("a", "real")


REAL = st.floats(0, 1, exclude_max=True)
RATIOS = st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any)


@given(RATIOS, st.lists(st.integers(0, 60), min_size=1, max_size=2), REAL)
def test_whole_numbers_are_next_to_the_wanted_in_each_group_and_in_all(
    ratio: list[int], sizes: list[int], start: float
) -> None:
    groups = [[size * weight / sum(ratio) for weight in ratio] for size in sizes]
    found = allotted(groups, start)
    for wanted, got, size in zip(groups, found, sizes, strict=True):
        assert sum(got) == size
        assert all(abs(a - b) < 1 + 1e-6 for a, b in zip(wanted, got, strict=True))
        assert all(b == 0 for a, b in zip(wanted, got, strict=True) if a == 0)
    for parts, whole in zip(zip(*found, strict=True), zip(*groups, strict=True), strict=True):
        assert abs(sum(parts) - sum(whole)) < 1 + 1e-6


@pytest.mark.parametrize("groups", [[[1.4, 5.6, 7.0], [0.2, 0.8, 1.0]], [[1.6, 6.4, 8.0]]])
def test_over_many_shards_no_kind_gains(groups: list[list[float]]) -> None:
    """Sixteen samples a shard hold 1.6 of one turn: always two would be a quarter too many."""
    shards = 4000
    found = [allotted(groups, seed(1, i) / 2**63) for i in range(shards)]
    for g, wanted in enumerate(groups):
        for kind, share in enumerate(wanted):
            mean = sum(one[g][kind] for one in found) / shards
            assert mean == pytest.approx(share, abs=0.03)


@given(st.lists(st.floats(0, 9), min_size=1, max_size=9), REAL)
def test_rounding_keeps_the_sum_and_moves_no_part_by_one(wanted: list[float], start: float) -> None:
    got = rounded(wanted, start)
    assert abs(sum(got) - sum(wanted)) < 1 + 1e-6
    assert all(abs(a - b) < 1 + 1e-6 for a, b in zip(wanted, got, strict=True))


@given(RATIOS, st.lists(st.integers(0, 3), max_size=40), REAL)
def test_limits_are_kept_and_otherwise_the_ratio(
    ratio: list[int], limits: list[int], start: float
) -> None:
    limits = [min(limit, len(ratio) - 1) for limit in limits]
    wanted = shares(ratio, limits)
    assert sum(wanted) == pytest.approx(len(limits))
    got = rounded(wanted, start)
    for kind in range(len(ratio)):
        assert sum(got[: kind + 1]) >= sum(limit <= kind for limit in limits)
    if all(limit == len(ratio) - 1 for limit in limits):
        assert wanted == pytest.approx([len(limits) * own / sum(ratio) for own in ratio])


def test_who_may_not_have_the_greater_kinds_leaves_them_to_the_others() -> None:
    assert shares([1, 4, 5], [0] * 8 + [2] * 32) == pytest.approx([8, 32 * 4 / 9, 32 * 5 / 9])
    assert shares([1, 4, 5], [1] * 40) == pytest.approx([4, 36, 0])
    assert shares([1, 0], [1] * 3) == pytest.approx([3, 0])
