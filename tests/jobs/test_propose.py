"""What the model names is passed on; no valid answer is a reject, never a default."""

from collections.abc import Sequence

import numpy as np
import pytest

from jobs.propose import propose
from jobs.vlms import Judged, Unparsable, Wish
from pipeline.documents import NamedObject, Objects, Prompt, Score, Source
from pipeline.records import Proposed, Reject, ToPropose  # fmt: skip

CUP = Objects(objects=(NamedObject(name="cup"),), raw="cup")
FINE = Score(score=4, reason="fine", raw="4")


class Mute:
    """Names something in every second picture and judges the first one alone."""

    model = ""

    def __init__(self) -> None:
        self.judged: list[Judged] = []

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | Unparsable]:
        return [CUP if i % 2 == 0 else Unparsable(("no", "n\u202eo")) for i, _ in enumerate(items)]

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | Unparsable]:
        raise NotImplementedError

    def score(self, items: Sequence[Judged]) -> list[Score | Unparsable]:
        self.judged += items
        return [FINE, *(Unparsable() for _ in items[1:])]


@pytest.fixture
def batch() -> list[ToPropose]:
    source = Source(source_id="s", split="train", base="real")
    return [ToPropose(str(i), source, np.full((4, 4, 3), i, np.uint8)) for i in range(3)]


def test_an_answer_is_passed_on_and_none_is_unparsable(batch: list[ToPropose]) -> None:
    bad: Reject[Proposed] = Reject("unparsable-proposal", r"'no'; 'n\u202eo'")
    assert propose(Mute(), False, batch) == [Proposed(CUP), bad, Proposed(CUP)]


def test_the_unedited_picture_is_scored_as_a_control(batch: list[ToPropose]) -> None:
    vlm = Mute()
    first, second, third = propose(vlm, True, batch)
    assert isinstance(first, Proposed) and first.objects == CUP.model_copy(update={"control": FINE})
    assert isinstance(second, Reject)
    assert third == Proposed(CUP), "no answer, no control, and no reject either"
    assert [int(item.image[0, 0, 0]) for item in vlm.judged] == [0, 1, 2]
    assert not any(item.edited.any() for item in vlm.judged)
