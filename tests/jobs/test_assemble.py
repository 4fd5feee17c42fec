"""The finished sample: who painted which pixel last, and in which turn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jobs.assemble import assemble, job, split_of
from pipeline.batches import members
from pipeline.config import Config
from pipeline.documents import Edit, History, Plan, Regions, Score, Source, Split, Turn
from pipeline.manifest import Rejected
from pipeline.records import Assembled, Scored, Sourced, ToAssemble  # fmt: skip
from pipeline.shards import RunFolder, join
from pipeline.writer import Writer

FACTS = {"config": "c", "code": "d", "model": "", "seeds": "s"}
SCORE = Score(score=4)


def edit(turn: int, region: int, label: int) -> Edit:
    return Edit(
        turn=turn, region=region, family="clone", label=label, edit="removal", prompts=("x",),
        seeds=(1,), steps=1, guidance=0, composite="paste", changed=1, area=0.1, model="",
    )  # fmt: skip


def item(masks: np.ndarray, edits: Sequence[Edit], planned: int = 3) -> ToAssemble:
    source = Source(source_id="s", split="train", base="real", file="a b.jpg")
    image = np.random.default_rng(1).integers(0, 256, (*masks.shape[1:], 3), dtype=np.uint8)
    turns = tuple(Turn(region=0, family="clone", edit="removal") for _ in range(planned))
    history = History(edits=tuple(edits)) if edits else None
    return ToAssemble("00000000", source, image, masks, Regions(regions=()), Plan(turns=turns),
                      SCORE, history)  # fmt: skip


def one(masks: np.ndarray, *edits: Edit) -> Assembled:
    (found,) = assemble([item(masks, edits)])
    return found


def test_the_last_painter_wins() -> None:
    masks = np.zeros((2, 4, 4), np.bool_)
    masks[0, :3], masks[1, 2:] = True, True
    found = one(masks, edit(1, 0, 5), edit(3, 1, 8))
    assert found.mask[:, 0].tolist() == [5, 5, 8, 8]
    assert found.turns[:, 0].tolist() == [1, 1, 3, 3]
    swapped = one(masks, edit(1, 1, 8), edit(2, 0, 5))
    assert swapped.mask[:, 0].tolist() == [5, 5, 5, 8]


@given(
    arrays(np.bool_, (3, 4, 4)),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 254)), min_size=1, max_size=3),
)
def test_every_pixel_tells_its_last_painter(
    masks: np.ndarray, painted: list[tuple[int, int]]
) -> None:
    edits = [edit(turn, region, label) for turn, (region, label) in enumerate(painted, 1)]
    found = one(masks, *edits)
    assert found.mask.dtype == found.turns.dtype == np.uint8
    for y in range(4):
        for x in range(4):
            last = [one for one in edits if masks[one.region, y, x]][-1:]
            expected = (last[0].label, last[0].turn) if last else (0, 0)
            assert (found.mask[y, x], found.turns[y, x]) == expected


def test_an_unedited_sample_is_all_zero() -> None:
    found = one(np.ones((1, 4, 4), np.bool_))
    assert not found.mask.any() and not found.turns.any() and found.sample.edits == ()


def test_all_that_is_known_goes_along() -> None:
    sample = item(np.ones((1, 4, 4), np.bool_), [edit(2, 0, 3)])
    (found,) = assemble([sample])
    assert found.image is sample.image
    assert (found.sample.planned, found.sample.score) == (3, SCORE)
    assert found.sample.source == sample.source and found.sample.edits == (edit(2, 0, 3),)


@pytest.fixture
def scored(tmp_path: Path) -> RunFolder:
    """Four scored samples: train, val, and one of each that the score set apart."""
    run = RunFolder(tmp_path)
    splits: dict[str, Split] = {"0": "train", "1": "val", "2": "train", "3": "val"}
    with Writer(run, "ingest", 0) as writer:
        for key, split in splits.items():
            source = Source(source_id=key, split=split, base="real")
            writer.add(key, members(Sourced(source)))
        writer.commit(list(splits), [], {}, FACTS, {})
    apart = [Rejected(key="2", reason="low-score"), Rejected(key="3", reason="no-turns")]
    with Writer(run, "score", 0) as writer:
        for key in splits:
            writer.add(key, members(Scored(SCORE)))
        writer.commit(list(splits), apart, {}, FACTS, {})
    return run


def test_the_split_is_the_sources_unless_the_score_set_it_apart(
    scored: RunFolder, standin: Config
) -> None:
    rows = join(scored, ["ingest", "score"], 0).rows.values()
    assert [split_of(row) for row in rows] == ["train", "val", "filtered", "filtered"]
    for split, wanted in (("train", ["0"]), ("val", ["1"]), ("filtered", ["2", "3"])):
        assert [row.key for row in rows if job(standin, split).mine(row)] == wanted
