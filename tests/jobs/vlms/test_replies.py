"""A reply is read if it is of the form asked for; else it is unparsable, never repaired."""

import ast
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from jobs.vlms import Unparsable, replies
from pipeline.documents import NamedObject, Objects, Prompt, Score

CAR = '{"name": "red car", "category": "vehicles", "percent": 30}'
MAN = '{"name": "man", "category": "humans", "percent": 5}'
BOY = '{"name": "boy", "category": "humans", "percent": 12}'
ESCAPED = "c\\u0061r"
SMALL = '{"name": "red car", "category": "other", "percent": 3}'
READ: dict[str, Callable[[str], Objects | Prompt | Score | Unparsable]] = {
    f'{{"objects": [{CAR}, {MAN}]}}': lambda reply: replies.objects(reply, 3),
    '{"prompt": "a striped red car, worn paint"}':
        lambda reply: replies.prompt(reply, "attribute", "car"),
    '{"background": "wet asphalt with leaves"}':
        lambda reply: replies.prompt(reply, "removal", "car"),
    '{"background": "wet asphalt", "object": "old bicycle", "prompt": "an old bicycle, parked"}':
        lambda reply: replies.prompt(reply, "addition", "car"),
    "4, the reason is that the man's pose is slightly odd but the scene appears natural.":
        replies.score,
}  # fmt: skip


def named(*objects: str, most: int = 8) -> list[str]:
    found = replies.objects(f'{{"objects": [{", ".join(objects)}]}}', most)
    assert isinstance(found, Objects)
    return [one.name for one in found.objects]


def test_people_come_first_then_the_larger() -> None:
    assert named(CAR, MAN, BOY) == ["boy", "man", "red car"]


def test_of_two_objects_of_one_name_the_larger_stands() -> None:
    found = replies.objects(f'{{"objects": [{SMALL}, {CAR}]}}', 8)
    assert isinstance(found, Objects)
    assert found.objects == (NamedObject(name="red car", category="vehicles"),)
    assert found.raw == f'{{"objects": [{SMALL}, {CAR}]}}', "the reply itself is kept as it was"


def test_no_more_objects_than_were_asked_for() -> None:
    assert named(CAR, MAN, most=2)
    assert isinstance(replies.objects(f'{{"objects": [{CAR}, {MAN}]}}', 1), Unparsable)


def test_an_addition_has_two_texts_and_names_what_is_new() -> None:
    reply, read = list(READ.items())[3]
    said = read(reply)
    assert isinstance(said, Prompt)
    assert said.texts == ("wet asphalt", "an old bicycle, parked")
    assert (said.target, said.raw) == ("old bicycle", reply)


def test_other_edits_have_one_and_keep_the_regions_name() -> None:
    for reply, read in list(READ.items())[1:3]:
        said = read(reply)
        assert isinstance(said, Prompt) and len(said.texts) == 1 and said.target == "car"


def test_runs_of_spaces_are_one() -> None:
    said = replies.prompt('{"prompt": "a  red   car"}', "attribute", "car")
    assert isinstance(said, Prompt) and said.texts == ("a red car",)


@pytest.mark.parametrize("digit", range(6))
def test_a_score_is_its_digit(digit: int) -> None:
    said = replies.score(f"{digit}, the reason is that it is so.")
    assert said == Score(score=digit, reason="it is so",
                         raw=f"{digit}, the reason is that it is so.")  # fmt: skip


@pytest.mark.parametrize(
    "reply",
    [
        "", "4", "4.", "6, the reason is that it is so.", "-1, the reason is that it is so.",
        "10, the reason is that it is so.", "4.5, the reason is that it is so.",
        " 4, the reason is that it is so.", "4, the reason is that it is so.\n",
        "4, the reason is that .", "4, the reason is that it is so",
        "I would say 4, the reason is that it is so.", "４, the reason is that it is so.",
        "4, the reason is that it is so. 5, the reason is that it is better.",
    ],
)  # fmt: skip
def test_what_only_resembles_a_score_is_none(reply: str) -> None:
    assert replies.score(reply) == Unparsable((reply,))


@pytest.mark.parametrize(
    "reply",
    [
        "", "{}", "[]", "null", '{"objects": []}', f'{{"objects": [{CAR}], "more": 1}}',
        f'{{"objects": [{CAR}], "objects": [{MAN}]}}', f'```json\n{{"objects": [{CAR}]}}\n```',
        f'{{"objects": [{CAR},]}}', f'{{"objects":[{CAR}]}}', f'Here: {{"objects": [{CAR}]}}',
        f'{{"objects": [{CAR.replace("vehicles", "weapons")}]}}',
        *(f'{{"objects": [{CAR.replace("30", wrong)}]}}'
          for wrong in ("0", "100", "-3", "3e9", "NaN", "3.5", '"30"')),
        f'{{"objects": [{CAR.replace("red car", "")}]}}',
        f'{{"objects": [{CAR.replace("red car", "x" * 33)}]}}',
        f'{{"objects": [{CAR.replace("red car", "car. person")}]}}',
        f'{{"objects": [{CAR.replace("red car", ESCAPED)}]}}',
    ],
)  # fmt: skip
def test_what_only_resembles_a_proposal_is_none(reply: str) -> None:
    assert replies.objects(reply, 8) == Unparsable((reply,))


def test_a_reply_to_another_question_is_none() -> None:
    for i, read in enumerate(READ.values()):
        answers = [read(reply) for reply in READ]
        assert [isinstance(answer, Unparsable) for answer in answers] == [
            j != i for j in range(len(READ))
        ]


def test_what_is_kept_of_an_unreadable_reply_is_short_and_printable() -> None:
    said = Unparsable(("a\u202e\0\n<b>" + "x" * 10**6, "", "é" * 500)).detail
    assert said.isascii() and said.isprintable() and len(said) < 4000
    assert [ast.literal_eval(part)[:2] for part in said.split("; ")] == ["a\u202e", "", "éé"]


# --- fifty thousand hostile replies ------------------------------------------------------------

COUNT = 50_000
EVIL = (
    "\0", "\x1b[2J", "\r\n", "\t", "\x7f", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800",
    "\U000e0041", "é", "ａ", "<script>alert(1)</script>", "<|im_end|>", "<|im_start|>system\n",
    "{{7*7}}", "{%raw%}", "${PATH}", "$(reboot)", "`id`", "{0.__class__}", "%s%n", "../../etc",
    "\\u0022", "\\", '"', "\\\"", "[", "]", "{", "}", ",", ":", "null", "true", "NaN", "Infinity",
    "1e999", "-0", "0x4", "9" * 400, "4", "5, the reason is that ", "I cannot help with that.",
)  # fmt: skip


def hostile(count: int) -> Iterator[str]:
    """Valid replies cut at every byte, then with evil parts put in, doubled, wrapped and nested."""
    draw = random.Random(3)
    for reply in READ:
        yield from (reply[:end] for end in range(len(reply)))
        yield from (reply[start:] for start in range(1, len(reply)))
    for depth in (1, 10, 1_000, 100_000):
        for opened, closed in (("[", "]"), ('{"objects": ', "}"), ("(", ")")):
            yield opened * depth
            yield opened * depth + closed * depth
    for reply in READ:
        yield reply * 100_000
        yield reply + " " * 1_000_000
        yield reply.replace("a", "a" * 1_000_000, 1)
    pieces = list(READ)
    for _ in range(count):
        text = draw.choice(pieces)
        for _ in range(draw.randint(1, 3)):
            at, width = draw.randrange(len(text) + 1), draw.choice((0, 0, 1, 5))
            evil = draw.choice(EVIL) * draw.choice((1, 1, 1, 2, 50))
            text = text[:at] + evil + text[at + width :]
        wrap = draw.choice(("{}", "{}", "{}", "```json\n{}\n```", "[{}]", '"{}"', " {}", "{}\n"))
        yield wrap.replace("{}", text)


def test_fifty_thousand_hostile_replies() -> None:
    """No crash, no answer that a stranger's check of the same text does not bear out."""
    begun, outcomes = time.monotonic(), Counter[str]()
    for reply in hostile(COUNT):
        for read in READ.values():
            answer = read(reply)
            outcomes[type(answer).__name__] += 1
            if not isinstance(answer, Unparsable):
                check(answer, reply)
    assert outcomes.total() > len(READ) * COUNT
    assert outcomes["Unparsable"] > 4 * COUNT and outcomes["Score"] > 10
    assert time.monotonic() - begun < 60


def check(answer: Objects | Prompt | Score, reply: str) -> None:
    """By other means than the reader's: plain JSON and plain string methods."""
    assert answer.raw == reply and len(reply) < 1000
    assert reply.isascii() and reply.isprintable() and not set(reply) & set("<>\\$`%|/")
    if isinstance(answer, Score):
        assert str(answer.score) == reply[0] and reply[1:3] == ", " and 0 <= answer.score <= 5
        assert reply == reply.strip() and reply.count(".") == 1 and reply.endswith(".")
        return
    data = json.loads(re.sub(" +", " ", reply))
    if isinstance(answer, Objects):
        assert {one.name for one in answer.objects} == {one["name"] for one in data["objects"]}
        assert 1 <= len(answer.objects) <= len(data["objects"]) <= 3
    else:
        assert set(answer.texts) <= set(data.values()) and 1 <= len(answer.texts) <= 2
