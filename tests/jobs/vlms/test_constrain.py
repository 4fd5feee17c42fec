"""A held model writes nothing but strings of its grammar, and draws by the row's own seed."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from jobs.vlms import replies
from jobs.vlms.constrain import LONGEST, SPACE, Constraint, Vocabulary
from jobs.vlms.grammar import DEAD, START, Automaton, Letter, Repeat

TOKENS = ["a", "b", "ab", "ba", "aab", SPACE, SPACE + "a", "c", "é", "\n", "a" * (LONGEST + 1),
          "<end>", "<pad>", "added", "1", "-"]  # fmt: skip
END = TOKENS.index("<end>")
WIDTH = len(TOKENS) + 3  # real models have more logits than tokens
TOKENIZER = SimpleNamespace(
    all_special_ids=[END, END + 1],
    get_added_vocab=lambda: {"added": END + 2},
    get_vocab=lambda: {token: index for index, token in enumerate(TOKENS)},
    eos_token_id=END,
)


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return Vocabulary(TOKENIZER, WIDTH)


def offered(words: Vocabulary, automaton: Automaton, state: int) -> set[str]:
    mask = words.allowed(automaton, state)
    assert mask.shape == (WIDTH,) and mask.dtype == torch.bool
    return {TOKENS[i] for i in np.flatnonzero(mask.numpy())}


def test_only_tokens_that_continue_a_string_to_their_last_letter(words: Vocabulary) -> None:
    grammar = Automaton((Letter("ab"), "a", Repeat((" a",), 0, 1)))
    assert offered(words, grammar, START) == {"a", "b", "ba"}
    assert offered(words, grammar, grammar.after("b")) == {"a"}
    assert offered(words, grammar, grammar.after("ba")) == {SPACE, SPACE + "a", "<end>"}
    assert offered(words, grammar, grammar.after("ba ")) == {"a"}
    assert offered(words, grammar, grammar.after("ba a")) == {"<end>"}
    assert offered(words, grammar, DEAD) == {"<end>"}


def test_every_state_offers_what_a_walk_letter_by_letter_does(words: Vocabulary) -> None:
    grammar = Automaton((Repeat((Letter("ab "),), 1, 4), "c"))
    for state in range(START, len(grammar.table)):
        for index, token in enumerate(TOKENS):
            plain = token not in ("<end>", "<pad>", "added") and len(token) <= LONGEST
            leads = grammar.after(token.replace(SPACE, " "), state) != DEAD
            ends = token == "<end>" and bool(grammar.final[state])
            assert bool(words.allowed(grammar, state)[index]) == ((plain and leads) or ends)


def write(
    words: Vocabulary, logits: torch.Tensor, automata: list[Automaton], seeds: list[int],
    temperature: float, steps: int = 12,
) -> tuple[list[str], Constraint]:  # fmt: skip
    """What the library's greedy loop would make of these logits, the same at every step."""
    held = Constraint(words, automata, seeds, temperature)
    ids = torch.zeros((len(automata), 1), dtype=torch.long)
    for _ in range(steps):
        chosen = held(ids, logits).argmax(dim=1, keepdim=True)
        ids = torch.cat([ids, chosen], dim=1)
    said = ["".join(words.texts.get(token, "") for token in row[1:]) for row in ids.tolist()]
    return said, held


ANY = Automaton((Repeat((Letter("ab"),), 1, 3),))


def test_at_temperature_0_the_likeliest_token_that_is_allowed(words: Vocabulary) -> None:
    logits = torch.zeros(2, WIDTH)
    logits[:, TOKENS.index("c")] = 9
    logits[0, TOKENS.index("ba")], logits[1, END] = 5, 5
    said, held = write(words, logits, [ANY, ANY], [1, 2], 0)
    assert said[0].startswith("ba") and said[1] == "a" and held.broken == [False, False]


def test_a_draw_is_of_its_seed_alone(words: Vocabulary) -> None:
    logits = torch.zeros(1, WIDTH)
    three, _ = write(words, logits.repeat(3, 1), [ANY, ANY, ANY], [5, 6, 7], 1)
    assert three == [write(words, logits, [ANY], [seed], 1)[0][0] for seed in (5, 6, 7)]
    assert len({write(words, logits, [ANY], [seed], 1)[0][0] for seed in range(20)}) > 3


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(words: Vocabulary, temperature: float) -> None:
    logits = torch.zeros(1, WIDTH)
    logits[0, TOKENS.index("a")] = 1
    one = Automaton((Letter("ab"),))
    drawn = Counter(write(words, logits, [one], [seed], temperature, 1)[0][0]
                    for seed in range(1500))  # fmt: skip
    assert drawn["a"] / 1500 == pytest.approx(1 / (1 + np.exp(-1 / temperature)), abs=0.04)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_told(words: Vocabulary, bad: float) -> None:
    logits = torch.zeros(2, WIDTH)
    logits[1, TOKENS.index("b")] = bad
    logits[0, TOKENS.index("c")] = bad  # not allowed anyway
    said, held = write(words, logits, [ANY, ANY], [1, 2], 0)
    assert held.broken == [False, True] and all(set(text) <= set("ab") for text in said)


def test_a_row_that_has_ended_is_not_looked_at_again(words: Vocabulary) -> None:
    held = Constraint(words, [Automaton(("a",))], [1], 0)
    start, fine = torch.zeros((1, 1), dtype=torch.long), torch.zeros(1, WIDTH)
    held(start, fine)
    held(torch.tensor([[TOKENS.index("a")]]), fine)
    held(torch.tensor([[END]]), fine * float("nan"))
    assert held.broken == [False]


def test_memory_is_bounded(words: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.vlms.constrain.KNOWN", 3)
    small, form = Vocabulary(TOKENIZER, WIDTH), replies.rating()
    first = small.allowed(form, START).clone()
    for state in range(START, 9):
        small.allowed(form, state)
    assert len(small._known) == 3 and torch.equal(small.allowed(form, START), first)
