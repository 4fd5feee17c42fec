"""Below the limit a sample is set apart with its record; what was not judged is not scored."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jobs.score import UNEDITED, score
from jobs.vlms import Judged, Unparsable, Wish
from pipeline.documents import Edit, History, Objects, Plan, Prompt, Score
from pipeline.records import Reject, Scored, ToPropose, ToScore  # fmt: skip


class Judge:
    """Scores by the picture's first level; 255 = no answer. Keeps what it was shown."""

    model = ""

    def __init__(self) -> None:
        self.shown: list[Judged] = []

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | Unparsable]:
        raise NotImplementedError

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | Unparsable]:
        raise NotImplementedError

    def score(self, items: Sequence[Judged]) -> list[Score | Unparsable]:
        self.shown += items
        return [verdict(int(item.image[0, 0, 0])) for item in items]


def verdict(level: int) -> Score | Unparsable:
    if level == 255:
        return Unparsable(("hm",))
    return Score(score=level, reason="so so", raw=str(level))


def item(level: int, *regions: int, key: str = "0") -> ToScore:
    masks = np.zeros((3, 4, 4), np.bool_)
    for i in range(3):
        masks[i, i, i:] = True
    edits = tuple(
        Edit(
            turn=i + 1, region=region, family="clone", label=1, edit="removal", prompts=("x",),
            seeds=(1,), steps=1, guidance=0, composite="paste", changed=1, area=0.1, model="",
        )
        for i, region in enumerate(regions)
    )  # fmt: skip
    image = np.full((4, 4, 3), level, np.uint8)
    return ToScore(key, image, masks, Plan(turns=()), History(edits=edits) if edits else None)


def test_the_limit_itself_is_kept() -> None:
    assert score(Judge(), 3, [item(3, 0)]) == [Scored(Score(score=3, reason="so so", raw="3"))]


def test_below_the_limit_the_record_is_kept_apart_with_its_reason() -> None:
    (found,) = score(Judge(), 3, [item(2, 0)])
    assert isinstance(found, Reject) and found.reason == "low-score"
    assert found.detail == "score 2 is below 3: so so"
    assert found.record == Scored(Score(score=2, reason="so so", raw="2"))


def test_a_limit_of_zero_filters_nothing() -> None:
    assert isinstance(score(Judge(), 0, [item(0, 0)])[0], Scored)


def test_the_score_of_the_base_is_noted_beside_it() -> None:
    cup = Objects(objects=(), control=Score(score=5, reason="a photograph"))
    for level in (4, 1):
        (found,) = score(Judge(), 3, [replace(item(level, 0), objects=cup)])
        kept = found.record if isinstance(found, Reject) else found
        assert kept is not None and (kept.score.score, kept.score.control) == (level, 5)
    (bare,) = score(Judge(), 3, [replace(item(4, 0), objects=Objects(objects=()))])
    assert isinstance(bare, Scored) and bare.score.control is None


def test_without_an_edit_there_is_nothing_to_judge() -> None:
    judge, bare = Judge(), item(5)
    nothing = ToScore("1", bare.image, bare.masks, bare.plan, History())
    for found in score(judge, 3, [bare, nothing]):
        assert isinstance(found, Reject)
        assert (found.reason, found.record) == ("no-turns", Scored(UNEDITED))
    assert judge.shown == []


def test_no_valid_answer_is_unparsable_and_never_a_score() -> None:
    assert score(Judge(), 0, [item(255, 0)]) == [Reject("unparsable-score", "'hm'")]


def test_all_edited_regions_are_judged_together() -> None:
    judge, sample = Judge(), item(4, 2, 0)
    score(judge, 3, [sample])
    (shown,) = judge.shown
    assert (shown.edited == (sample.masks[0] | sample.masks[2])).all()
    assert (sample.masks == item(4).masks).all(), "the masks themselves are left alone"


def test_every_sample_gets_its_own_answer() -> None:
    batch = [item(5, 0, key="0"), item(0, key="1"), item(1, 0, key="2"), item(255, 0, key="3"),
             item(4, 1, key="4")]  # fmt: skip
    found = score(Judge(), 3, batch)
    reasons = [one.reason if isinstance(one, Reject) else one.score.score for one in found]
    assert reasons == [5, "no-turns", "low-score", "unparsable-score", 4]
