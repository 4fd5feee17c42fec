"""The forms of the replies, and strict reading of them.

A reply is read only if it is of the very grammar that its writer was held to: nothing missing,
nothing besides, no letter that is not listed here. So no control or bidi character, no markup and
no brace can come through, however the reply was made. What is not of the form is `Unparsable`,
never repaired and never a default.
"""

from __future__ import annotations

import json
from functools import cache
from string import ascii_letters, ascii_lowercase, digits
from typing import Any

from jobs.taxonomy import CATEGORIES
from jobs.vlms import Unparsable
from jobs.vlms.grammar import Automaton, Either, Grammar, Letter, Repeat
from pipeline.documents import EditType, NamedObject, Objects, Prompt, Score

#: Most letters of an object's name, of a prompt and of the reason for a score.
NAME, PROMPT, REASON = 32, 200, 240
BETWEEN = ", the reason is that "


def _text(letters: str, most: int) -> Grammar:
    """Begins with a letter, ends with a letter or digit, two at least. No dots: the segmenter's
    and the score's sentences end at one."""
    inner = letters + " '-"
    ends = letters.replace(",", "")
    return (Letter(ends), Repeat((Letter(inner),), 0, most - 2), Letter(ends))


_NAME = _text(ascii_lowercase, NAME)
_PROMPT = _text(ascii_letters + digits + ",", PROMPT)
_PERCENT: Grammar = (Letter(digits[1:]), Repeat((Letter(digits),), 0, 1))
_OBJECT: Grammar = (
    '{"name": "', *_NAME,
    '", "category": "', Either(tuple((name,) for name in CATEGORIES)),
    '", "percent": ', *_PERCENT, "}",
)  # fmt: skip
_FORMS: dict[EditType, Grammar] = {
    "attribute": ('{"prompt": "', *_PROMPT, '"}'),
    "removal": ('{"background": "', *_PROMPT, '"}'),
    "addition": (
        '{"background": "', *_PROMPT, '", "object": "', *_NAME, '", "prompt": "', *_PROMPT, '"}',
    ),
}  # fmt: skip


@cache
def proposal(most: int) -> Automaton:
    """One to `most` objects as JSON."""
    more = Repeat((", ", *_OBJECT), 0, most - 1)
    return Automaton(('{"objects": [', *_OBJECT, more, "]}"))


@cache
def wording(edit: EditType) -> Automaton:
    """The prompts of one kind of edit as JSON."""
    return Automaton(_FORMS[edit])


@cache
def rating() -> Automaton:
    """A score and its reason, in the sentence of the paper's appendix B."""
    return Automaton((Letter("012345"), BETWEEN, *_text(ascii_letters + digits + ",", REASON), "."))


def objects(reply: str, most: int) -> Objects | Unparsable:
    """People first, then larger first; of two objects of one name the larger."""
    if not proposal(most).accepts(reply):
        return Unparsable((reply,))
    found: list[dict[str, Any]] = json.loads(reply)["objects"]
    found.sort(key=lambda one: (one["category"] != "humans", -one["percent"]))
    named: dict[str, NamedObject] = {}
    for one in found:
        name = _tidy(one["name"])
        named.setdefault(name, NamedObject(name=name, category=one["category"]))
    return Objects(objects=tuple(named.values()), raw=reply)


def prompt(reply: str, edit: EditType, name: str) -> Prompt | Unparsable:
    """The prompts of an edit of the region called `name`, one text per pass."""
    if not wording(edit).accepts(reply):
        return Unparsable((reply,))
    said = {key: _tidy(value) for key, value in json.loads(reply).items()}
    texts = tuple(said[key] for key in ("background", "prompt") if key in said)
    return Prompt(texts=texts, target=said.get("object", name), raw=reply)


def score(reply: str) -> Score | Unparsable:
    """The digit that the reply begins with, and why."""
    if not rating().accepts(reply):
        return Unparsable((reply,))
    reason = _tidy(reply[1 + len(BETWEEN) : -1])
    return Score(score=int(reply[0]), reason=reason, raw=reply)


def _tidy(text: str) -> str:
    """Without runs of spaces."""
    return " ".join(text.split())
