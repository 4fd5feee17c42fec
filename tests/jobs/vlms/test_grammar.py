"""The automaton of a grammar accepts what its regular expression does, and nothing else."""

import re
from string import ascii_lowercase

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.taxonomy import CATEGORIES
from jobs.vlms import replies
from jobs.vlms.grammar import DEAD, START, Automaton, Either, Grammar, Letter, Repeat

TEXT = r"[A-Za-z0-9][A-Za-z0-9, '-]{0,%d}[A-Za-z0-9]"
NAME = r"[a-z][a-z '-]{0,30}[a-z]"
OBJECT = rf'\{{"name": "{NAME}", "category": "(?:{"|".join(CATEGORIES)})", "percent": [1-9]\d?\}}'
PROMPT = TEXT % 198
#: Each form of a reply, and the same as a regular expression, written by hand.
FORMS = [
    (replies.proposal(1), rf'\{{"objects": \[{OBJECT}\]\}}'),
    (replies.proposal(8), rf'\{{"objects": \[{OBJECT}(?:, {OBJECT}){{0,7}}\]\}}'),
    (replies.wording("attribute"), rf'\{{"prompt": "{PROMPT}"\}}'),
    (replies.wording("removal"), rf'\{{"background": "{PROMPT}"\}}'),
    (replies.wording("addition"),
     rf'\{{"background": "{PROMPT}", "object": "{NAME}", "prompt": "{PROMPT}"\}}'),
    (replies.rating(), rf"[0-5], the reason is that {TEXT % 238}\."),
]  # fmt: skip
forms = pytest.mark.parametrize(("automaton", "pattern"), FORMS)


def walk(automaton: Automaton, choose: np.random.Generator, leave: float) -> str:
    """A random string of the grammar; `leave` is how likely it ends a text at each letter."""
    state, said = START, ""
    while True:
        after = np.flatnonzero(automaton.table[state, 1:]) + 1
        if automaton.final[state] and (not len(after) or choose.random() < leave):
            return said
        quotes = [code for code in after if chr(code) in '".']
        code = quotes[0] if quotes and choose.random() < leave else choose.choice(after)
        said, state = said + chr(code), int(automaton.table[state, code])


@forms
def test_every_string_of_a_form_is_of_its_pattern(automaton: Automaton, pattern: str) -> None:
    choose = np.random.default_rng(1)
    for leave in [0.0, *np.linspace(0.01, 0.9, 60)]:
        said = walk(automaton, choose, leave)
        assert re.fullmatch(pattern, said) and automaton.accepts(said)
        assert len(said) <= automaton.longest


@forms
def test_a_change_of_one_letter_is_judged_alike(automaton: Automaton, pattern: str) -> None:
    choose = np.random.default_rng(2)
    judged = {True: 0, False: 0}
    for _ in range(1500):
        said = walk(automaton, choose, 0.3)
        at, letter = int(choose.integers(len(said) + 1)), chr(int(choose.integers(1, 300)))
        width = int(choose.integers(3))
        changed = said[:at] + letter * (width > 0) + said[at + width :]
        wanted = re.fullmatch(pattern, changed) is not None
        assert automaton.accepts(changed) == wanted, changed
        judged[wanted] += 1
    assert min(judged.values()) > 50


@forms
def test_no_state_is_a_dead_end_or_out_of_reach(automaton: Automaton, pattern: str) -> None:
    table, final = automaton.table[:, 1:], automaton.final
    can_end = final.copy()
    for _ in range(automaton.longest + 1):
        can_end |= can_end[table].any(axis=1)
    assert can_end[START:].all() and not can_end[DEAD]
    reached = {START}
    front = {START}
    while front:
        front = {int(after) for state in front for after in table[state]} - reached - {DEAD}
        reached |= front
    assert reached == set(range(START, len(table)))


@forms
def test_the_longest_string_is_as_long_as_said(automaton: Automaton, pattern: str) -> None:
    reached, steps = {START}, 0
    while front := {int(one) for state in reached for one in automaton.table[state, 1:]} - {DEAD}:
        reached, steps = front, steps + 1
    assert steps == automaton.longest


letters = st.text(ascii_lowercase[:3], min_size=1, max_size=3)
grammars = st.recursive(
    st.one_of(letters.map(lambda text: (text,)), letters.map(lambda text: (Letter(text),))),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda ways: (Either(tuple(ways)),)),
        st.tuples(inner, st.integers(0, 2), st.integers(0, 2)).map(
            lambda drawn: (Repeat(drawn[0], drawn[1], drawn[1] + drawn[2]),)
        ),
        st.lists(inner, max_size=2).map(lambda parts: tuple(one for part in parts for one in part)),
    ),
    max_leaves=6,
)


def regular(grammar: Grammar) -> str:
    """The grammar as a regular expression."""
    said = ""
    for part in grammar:
        if isinstance(part, str):
            said += part
        elif isinstance(part, Letter):
            said += f"[{part.letters}]"
        elif isinstance(part, Either):
            said += f"(?:{'|'.join(regular(way) for way in part.ways)})"
        else:
            said += f"(?:{regular(part.item)}){{{part.least},{part.most}}}"
    return said


@settings(max_examples=200, deadline=None)
@given(grammars, st.lists(st.text(ascii_lowercase[:3], max_size=6), max_size=20))
def test_any_grammar_is_its_regular_expression(grammar: Grammar, tried: list[str]) -> None:
    automaton, pattern = Automaton(grammar), regular(grammar)
    for text in tried:
        assert automaton.accepts(text) == (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize("text", ["", "\0", "4\0", "é", "４", "\ud800"])
def test_letters_outside_ascii_lead_nowhere(text: str) -> None:
    assert not replies.rating().accepts(text)
