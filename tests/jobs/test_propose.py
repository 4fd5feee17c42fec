"""What the model names is passed on; no valid answer is a reject, never a default."""

from collections.abc import Sequence

import numpy as np

from jobs.propose import propose
from jobs.vlms import Judged, Wish
from pipeline.documents import NamedObject, Objects, Prompt, Score, Source
from pipeline.records import Proposed, Reject, ToPropose  # fmt: skip

CUP = Objects(objects=(NamedObject(name="cup"),), raw="cup")


class Mute:
    """Answers every second question."""

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | None]:
        return [CUP if i % 2 == 0 else None for i, _ in enumerate(items)]

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | None]:
        raise NotImplementedError

    def score(self, items: Sequence[Judged]) -> list[Score | None]:
        raise NotImplementedError


def test_an_answer_is_passed_on_and_none_is_unparsable() -> None:
    source = Source(source_id="s", split="train", base="real")
    image = np.zeros((4, 4, 3), np.uint8)
    batch = [ToPropose(str(i), source, image) for i in range(3)]
    assert propose(Mute(), batch) == [Proposed(CUP), Reject("unparsable-reply"), Proposed(CUP)]
