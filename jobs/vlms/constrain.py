"""Hold a model to a grammar while it writes, and draw by a seed of each sample.

For the library's `generate`: at each step all tokens that do not continue a string of the row's
grammar are ruled out. For byte-level vocabularies, as Qwen's and GPT-2's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor

from jobs.vlms.grammar import DEAD, START, Automaton

#: A byte-level vocabulary writes a space as this letter; other printable ASCII as itself.
SPACE = "\u0120"
#: Longer tokens (runs of dashes and the like) are never offered.
LONGEST = 24
#: How many answers are remembered, each of one byte for each token of the vocabulary.
KNOWN = 1024


class Vocabulary:
    """The tokens of a tokenizer that are printable ASCII, and which of them a state allows."""

    def __init__(self, tokenizer: Any, width: int) -> None:
        """`width` is the number of the model's logits, which may exceed that of the tokens."""
        special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
        self.width, self.end = width, int(tokenizer.eos_token_id)
        self.texts: dict[int, str] = {}
        for token, index in tokenizer.get_vocab().items():
            text = token.replace(SPACE, " ")
            plain = text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST
            if plain and index not in special:
                self.texts[index] = text
        self._ids = np.fromiter(self.texts, np.int64)
        padded = np.array([text.encode() for text in self.texts.values()], f"S{LONGEST}")
        self._letters = padded.view(np.uint8).reshape(len(padded), LONGEST)
        self._known: dict[tuple[Automaton, int], torch.Tensor] = {}

    def allowed(self, automaton: Automaton, state: int) -> torch.Tensor:
        """(width,) bool: the tokens whose every letter continues a string, and the end token where
        one may end. Remembered: a run meets the same few hundred states again and again."""
        key = automaton, state
        if key not in self._known:
            mask = torch.zeros(self.width, dtype=torch.bool)
            mask[self._ids[self._follow(automaton, state)]] = True
            mask[self.end] = state == DEAD or bool(automaton.final[state])
            if len(self._known) == KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[key] = mask
        return self._known[key]

    def _follow(self, automaton: Automaton, state: int) -> Any:
        """Indices into `_ids` of the tokens that can be read from `state` to their last letter."""
        alive = np.arange(len(self._ids))
        states = np.full(len(alive), state, np.int32)
        for column in range(LONGEST):  # letter 0, behind a token's end, stays in its state
            states = automaton.table[states, self._letters[alive, column]]
            alive, states = alive[states != DEAD], states[states != DEAD]
        return alive


class Constraint(LogitsProcessor):  # type: ignore[misc]  # the library is not typed
    """One `generate` call: a row for each sample, with its grammar and the seed of its draws.

    At a temperature above 0 each row adds Gumbel noise of its own seed to its logits, so that the
    greedy choice that follows is a draw from the softmax, whatever else is in the batch. `broken`
    tells rows in which the model gave numbers that are not finite: what a grammar makes of them
    would look like an answer.
    """

    def __init__(
        self, words: Vocabulary, automata: Sequence[Automaton], seeds: Sequence[int],
        temperature: float,
    ) -> None:  # fmt: skip
        self.words, self.automata, self.temperature = words, automata, temperature
        self.draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.states = [START] * len(automata)
        self.broken = [False] * len(automata)
        self._begun = False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(batch, vocabulary) logits in, the same out: -inf for what may not come next."""
        if self._begun:
            for i, token in enumerate(input_ids[:, -1].tolist()):
                self.states[i] = self.automata[i].after(self.words.texts.get(token, "\0"),
                                                        self.states[i])  # fmt: skip
        self._begun = True
        pairs = zip(self.automata, self.states, strict=True)
        allowed = torch.stack([self.words.allowed(*pair) for pair in pairs]).to(scores.device)
        logits = scores.float()
        wrong = (allowed & ~logits.isfinite()).any(dim=1).tolist()
        # A row that has ended is computed on beside the others; nothing of it is used any more.
        self.broken = [was or (is_ and state != DEAD) for was, is_, state
                       in zip(self.broken, wrong, self.states, strict=True)]  # fmt: skip
        logits = logits.nan_to_num()
        if self.temperature:
            logits = logits / self.temperature + self._noise(logits)
        return logits.masked_fill(~allowed, -torch.inf)

    def _noise(self, like: torch.Tensor) -> torch.Tensor:
        """Gumbel noise (batch, vocabulary), drawn on the CPU: the same on every device."""
        rows = torch.stack([torch.rand(like.shape[1], generator=draw) for draw in self.draws])
        return -torch.log(-torch.log(rows.clamp(1e-20, 1 - 2**-24))).to(like.device)
