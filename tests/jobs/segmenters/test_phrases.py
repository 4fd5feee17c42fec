"""Names become phrases that GroundingDINO can tell apart, whatever they hold."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.segmenters.phrases import LONGEST, asked, clean, packed, spans, text
from pipeline.documents import NamedObject

HOSTILE = [
    "a dog. a cat", "who?", "{{7*7}} {x}", "[SEP] cup [MASK]", "a\nb\tc\x00d", "x" * 5000,
    "red " * 2000, "...", "?", "", "   ", "🎨", "中文", "##ing", "a．b", "Café au lait", "t-shirt",
    "<script>alert(1)</script>", "\u202edog", "man’s hat", "½ apple", "½", "--", "a - b",
]  # fmt: skip


def things(*names: str) -> list[NamedObject]:
    return [NamedObject(name=name) for name in names]


@pytest.mark.parametrize("name", ["cat", "A Red  Car ", "t-shirt", "man's hat", "café", "中文"])
def test_a_plain_name_is_asked_for_as_it_is(name: str) -> None:
    assert clean(name) == (" ".join(name.lower().split()), "")


@pytest.mark.parametrize(
    ("name", "phrase"),
    [("a dog. a cat", "a dog a cat"), ("{cup}", "cup"), ("[SEP] cup", "sep cup"),
     ("dog?", "dog"), ("a．b", "a b"), ("a - b", "a b"), ("snake_case", "snake case")],
)  # fmt: skip
def test_signs_are_left_out_and_that_is_said(name: str, phrase: str) -> None:
    assert clean(name) == (phrase, "signs that are no words were left out of its name")


def test_a_long_name_is_cut_between_words_where_it_can_be() -> None:
    words, why = clean("red " * 2000)
    assert words == "red " * 24 + "red" and why == "its name of 7999 characters was cut"
    assert clean("x" * 5000)[0] == "x" * LONGEST


@pytest.mark.parametrize("name", ["", "  ", "...", "?", "🎨", "--", "{}"])
def test_a_name_without_a_word_is_not_asked_for(name: str) -> None:
    found = asked(things("cup", name, "cat"))
    assert found.phrases == ("cup", "cat") and found.owners == (0, 2)
    assert found.notes == ("object 1: its name has no letter or digit",)


def test_objects_of_one_name_are_asked_for_once() -> None:
    found = asked(things("cat", "Dog", "cat", "dog"))
    assert (found.phrases, found.owners, found.notes) == (("cat", "dog"), (0, 1), ())


@given(st.one_of(st.text(max_size=300), st.sampled_from(HOSTILE)))
def test_no_name_breaks_the_text(name: str) -> None:
    phrase, why = clean(name)
    assert len(phrase) <= LONGEST and not set(phrase) & set(".?{}[]#\n\x00")
    assert phrase == phrase.strip() and (phrase or why)
    assert clean(phrase) == (phrase, "") or not phrase


@given(st.lists(st.integers(1, 100), max_size=60))
def test_texts_hold_every_phrase_once_and_fit(lengths: list[int]) -> None:
    groups = packed(lengths, 256)
    assert [i for group in groups for i in group] == list(range(len(lengths)))
    assert all(sum(lengths[i] + 1 for i in group) + 2 <= 256 for group in groups)
    for one, other in pairwise(groups):
        assert sum(lengths[i] + 1 for i in one) + 2 + lengths[other[0]] + 1 > 256, "no room is lost"


def test_a_text_is_phrases_and_dots() -> None:
    assert text(["a cat", "dog"]) == "a cat . dog ."


def test_spans_lie_between_the_dots() -> None:
    assert spans([101, 7, 8, 1012, 9, 1012, 1012, 102, 0], 1012) == [(1, 3), (4, 5), (6, 6)]
    assert spans([101, 102], 1012) == []
