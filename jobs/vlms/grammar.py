"""Regular grammars over ASCII, and the automata that follow them letter by letter.

A grammar is a tuple of parts, one after another: a literal, one of some letters, one of several
grammars, a grammar repeated. All repeats are bounded, so a language is finite, its longest string
is known, and no state is a dead end. One automaton serves both ways: it says which letters a model
may write next, and whether a finished reply is of the form that was asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEAD, START = 0, 1


class Letter(NamedTuple):
    """Any one of `letters`."""

    letters: str


class Either(NamedTuple):
    """Any one of `ways`."""

    ways: tuple[Grammar, ...]


class Repeat(NamedTuple):
    """`item`, from `least` to `most` times."""

    item: Grammar
    least: int
    most: int


Grammar: TypeAlias = tuple[str | Letter | Either | Repeat, ...]


def moves(parts: Grammar) -> Iterator[tuple[str, Grammar]]:
    """Which letters may come next, each with what has to follow it (Antimirov's linear form)."""
    if not parts:
        return
    head, rest = parts[0], parts[1:]
    if isinstance(head, str):
        if head:
            yield head[0], ((head[1:], *rest) if head[1:] else rest)
        else:
            yield from moves(rest)
    elif isinstance(head, Letter):
        yield head.letters, rest
    elif isinstance(head, Either):
        for way in head.ways:
            yield from moves((*way, *rest))
    else:
        if head.most:
            left = Repeat(head.item, max(head.least - 1, 0), head.most - 1)
            yield from moves((*head.item, left, *rest))
        if not head.least:
            yield from moves(rest)


def may_end(parts: Grammar) -> bool:
    """Whether the empty string is of the grammar."""
    return all(
        not part if isinstance(part, str)
        else any(may_end(way) for way in part.ways) if isinstance(part, Either)
        else not part.least or may_end(part.item) if isinstance(part, Repeat)
        else False
        for part in parts
    )  # fmt: skip


def longest(parts: Grammar) -> int:
    """Letters in the longest string of the grammar."""
    return sum(
        len(part) if isinstance(part, str)
        else max(longest(way) for way in part.ways) if isinstance(part, Either)
        else part.most * longest(part.item) if isinstance(part, Repeat)
        else 1
        for part in parts
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Automaton:
    """The deterministic automaton of a grammar, by subset construction; built when first used."""

    grammar: Grammar

    @cached_property
    def longest(self) -> int:
        return longest(self.grammar)

    @cached_property
    def _built(self) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        import numpy as np

        nothing, begin = frozenset[Grammar](), frozenset([self.grammar])
        states = {nothing: DEAD, begin: START}
        rows: list[dict[str, int]] = []
        queue = list(states)
        for state in queue:
            after: defaultdict[str, set[Grammar]] = defaultdict(set)
            for letters, then in (move for parts in state for move in moves(parts)):
                for letter in letters:
                    after[letter].add(then)
            row = {}
            for letter, reached in after.items():
                following = frozenset(reached)
                if following not in states:
                    states[following] = len(states)
                    queue.append(following)
                row[letter] = states[following]
            rows.append(row)
        table = np.zeros((len(states), 128), np.int32)
        table[:, 0] = np.arange(len(states))
        for i, row in enumerate(rows):
            for letter, reached_state in row.items():
                table[i, ord(letter)] = reached_state
        return table, np.array([any(may_end(parts) for parts in state) for state in states])

    @property
    def table(self) -> NDArray[np.int32]:
        """(states, 128): from state and ASCII letter to the next state. Letter 0 stays."""
        return self._built[0]

    @property
    def final(self) -> NDArray[np.bool_]:
        """(states,): whether a string may end in this state."""
        return self._built[1]

    def after(self, text: str, state: int = START) -> int:
        """The state that `text` leads to; DEAD where it is no beginning of any string."""
        for letter in text:
            code = ord(letter)
            state = int(self.table[state, code]) if 0 < code < 128 else DEAD
            if state == DEAD:
                return DEAD
        return state

    def accepts(self, text: str) -> bool:
        """Whether `text` is a string of the grammar; stops at the first wrong letter."""
        return bool(self.final[self.after(text)])
