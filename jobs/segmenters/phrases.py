"""Object names as GroundingDINO takes them: "a cat . a red car .", told apart by their dots.

Names come from a language model or from a user's annotations, so they may hold anything. A dot or a
question mark inside a name would make two of it (the network cuts at both), a very long name would
crowd out the others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.documents import NamedObject

#: Characters of a phrase. BERT makes at most one token of each, so that one phrase always fits.
LONGEST = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """What a picture is asked for: `phrases`, each once, and for each the place of its object.
    `notes` say what could not be asked as it was named, and why."""

    phrases: tuple[str, ...]
    owners: tuple[int, ...]
    notes: tuple[str, ...] = ()


def asked(objects: Sequence[NamedObject]) -> Asked:
    """The phrases of a picture's objects. Objects of one name are asked for once: the detector
    finds all of them by it."""
    owner: dict[str, int] = {}
    notes = []
    for i, thing in enumerate(objects):
        phrase, why = clean(thing.name)
        if why:
            notes.append(f"object {i}: {why}")
        if phrase:
            owner.setdefault(phrase, i)
    return Asked(tuple(owner), tuple(owner.values()), tuple(notes))


def clean(name: str) -> tuple[str, str]:
    """`name` in words and blanks only, and what was done to it ("" = nothing but its case)."""
    plain = " ".join(name.lower().split())
    composed = unicodedata.normalize("NFKC", plain)
    words = " ".join(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", composed))
    if not words:
        return "", "its name has no letter or digit"
    if len(words) > LONGEST:
        whole = words[: LONGEST + 1].rpartition(" ")[0]
        return whole or words[:LONGEST], f"its name of {len(words)} characters was cut"
    return words, "" if words == plain else "signs that are no words were left out of its name"


def text(phrases: Sequence[str]) -> str:
    """One text for several phrases."""
    return "".join(f"{phrase} . " for phrase in phrases).strip()


def packed(lengths: Sequence[int], room: int) -> list[range]:
    """Which phrases, of `lengths` tokens, share a text of at most `room` tokens: consecutive ones,
    each followed by its dot; two tokens of the room begin and end the text."""
    groups, begin, used = [], 0, 2
    for i, length in enumerate(lengths):
        if i > begin and used + length + 1 > room:
            groups.append(range(begin, i))
            begin, used = i, 2
        used += length + 1
    if lengths:
        groups.append(range(begin, len(lengths)))
    return groups


def spans(tokens: Sequence[int], dot: int) -> list[tuple[int, int]]:
    """Where each phrase lies in a text's tokens, as [begin, end): the runs between the dots, after
    the one token that begins the text."""
    found, begin = [], 1
    for i, token in enumerate(tokens):
        if token == dot:
            found.append((begin, i))
            begin = i + 1
    return found
