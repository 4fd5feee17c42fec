"""What the training loop measures of itself, as metrics; rank 0 speaks for all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline import live, meter, metrics

if TYPE_CHECKING:
    from training.lesson import Lesson


class TrainingMeter:
    """`seconds` and `waited` are told as they stand, from wherever a resumed run began."""

    def __init__(self, lesson: Lesson, speaks: bool) -> None:
        trial = lesson.trial
        self.who = (lesson.run.resolve().name, lesson.stage, trial.detector, trial.task)
        self.batch, self.speaks = lesson.recipe.batch, speaks
        self._seconds = self._waited = 0.0
        if speaks:
            live.gauge(metrics.TRAINING_STEPS, *self.who).set(lesson.recipe.steps)

    def resumed(self, step: int, seconds: float, waited: float) -> None:
        """`step` steps were done before, by processes that counted them."""
        self._seconds, self._waited = seconds, waited
        if self.speaks:
            live.gauge(metrics.TRAINING_STEP, *self.who).set(step)

    def step(self, step: int, loss: float, rate: float, seconds: float, waited: float) -> None:
        """Step `step` (from 1) was done; `seconds` in all, `waited` of them without a batch."""
        meter.goes_on()
        if not self.speaks:
            return
        live.gauge(metrics.TRAINING_STEP, *self.who).set(step)
        live.gauge(metrics.LOSS, *self.who).set(loss)
        live.gauge(metrics.LEARNING_RATE, *self.who).set(rate)
        live.counter(metrics.NONFINITE, *self.who).inc(not math.isfinite(loss))
        live.counter(metrics.IMAGES, *self.who).inc(self.batch)
        live.counter(metrics.TRAINING_SECONDS, *self.who).inc(max(0.0, seconds - self._seconds))
        live.counter(metrics.WAIT_SECONDS, *self.who).inc(max(0.0, waited - self._waited))
        self._seconds, self._waited = seconds, waited

    def dev_score(self, score: float) -> None:
        if self.speaks:
            live.gauge(metrics.DEV_SCORE, *self.who).set(score)
