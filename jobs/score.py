"""Judge the finished picture from 0 to 5 (paper, appendix B); below the limit it is filtered.

    in    the last good image.png, masks.png, history.json; objects.json for the control
    out   score.json; filtered samples keep theirs, apart from the dataset
    run   python -m jobs.score --partition 0/4 --run runs/demo

A sample of whose turns none succeeded is filtered too (`no-turns`): nothing in it is edited.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobs.vlms import Judged, Unparsable, Vlm, load
from pipeline.config import Config
from pipeline.documents import Score
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Reject, Scored, ToScore
from pipeline.stage import Job, Transform, context

UNEDITED = Score(score=0, reason="no turn succeeded")


def score(vlm: Vlm, limit: int, batch: Sequence[ToScore]) -> list[Scored | Reject[Scored]]:
    edited = [item for item in batch if item.history and item.history.edits]
    answers = vlm.score([_judged(item) for item in edited])
    by_key = {item.key: answer for item, answer in zip(edited, answers, strict=True)}
    found: list[Scored | Reject[Scored]] = []
    for item in batch:
        if item.key not in by_key:
            found.append(Reject("no-turns", record=Scored(UNEDITED)))
        elif isinstance(answer := by_key[item.key], Unparsable):
            found.append(Reject("unparsable-score", answer.detail))
        else:
            found.append(_verdict(_beside(answer, item), limit))
    return found


def _verdict(score: Score, limit: int) -> Scored | Reject[Scored]:
    if score.score >= limit:
        return Scored(score)
    detail = f"score {score.score} is below {limit}: {score.reason}"
    return Reject("low-score", detail, Scored(score))


def _beside(score: Score, item: ToScore) -> Score:
    """`score` with that of the unedited base, where there is one."""
    control = item.objects.control if item.objects else None
    return score if control is None else score.model_copy(update={"control": control.score})


def _judged(item: ToScore) -> Judged:
    assert item.history is not None
    planes = [item.masks[edit.region] for edit in item.history.edits]
    edited = planes[0].copy()
    for plane in planes[1:]:
        edited |= plane
    return Judged(item.image, edited)


def job(config: Config) -> Job[ToScore, Scored]:
    def ready() -> tuple[Transform[ToScore, Scored], str]:
        vlm = load(config)
        return lambda batch: score(vlm, config.keep_score, batch), vlm.model

    return Job(ToScore, Scored, ready, batch=config.asking.batch)


def main(argv: list[str]) -> int:
    here = context("jobs.score", argv)
    return work(here, job(here.config))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
