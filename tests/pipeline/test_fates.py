"""What became of a shard's samples, told one by one and in numbers, is the same."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fates import DOORS, FATES, counted, fates

KEYS = [f"{i:08d}" for i in range(12)]
#: Where each sample ends, and which of the splits are committed.
ENDS = st.fixed_dictionaries({key: st.sampled_from([*DOORS, "lost"]) for key in KEYS})


def left(ends: dict[str, str], committed: set[str]) -> dict[str, list[str]]:
    return {name: [key for key, end in ends.items() if end == name] for name in committed}


@given(ends=ENDS, committed=st.sets(st.sampled_from([*DOORS])))
def test_samples_and_their_numbers_agree(ends: dict[str, str], committed: set[str]) -> None:
    by_key = fates(KEYS, left(ends, committed))
    numbers = counted(len(KEYS), {name: len(keys) for name, keys in left(ends, committed).items()})
    assert by_key.keys() == set(KEYS) and numbers.total() == len(KEYS)
    assert {fate: numbers[fate] for fate in FATES} == {
        fate: Counter(by_key.values())[fate] for fate in FATES
    }


def test_a_sample_is_lost_only_if_no_split_is_to_come() -> None:
    ends = {"a": "assemble-train", "b": "assemble-val", "c": "assemble-filtered", "d": "lost"}
    assert fates(ends, left(ends, set(DOORS))) == {
        "a": "kept", "b": "kept", "c": "filtered", "d": "quarantined",
    }  # fmt: skip
    for name in DOORS:
        assert set(fates(ends, left(ends, set(DOORS) - {name})).values()) == {"undecided"}
