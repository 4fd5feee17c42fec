"""Draws stay near their target shares, whatever the weights."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from jobs.quota import Quota
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
