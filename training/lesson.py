"""What a training run is given: the trial, its recipe, its pictures. Whatever a user can mend is
found here, before processes meet and hours go by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline import cards, seeds, store
from pipeline.config import Config, Detector
from pipeline.errors import ConfigError, InputError
from pipeline.protocols import ALL, Trial
from pipeline.stage import Context
from training import data, detectors, recipes
from training.cache import Cache, open_cache
from training.recipes import Recipe

SHOWN = 16  # sample keys in a sentence


@dataclass(frozen=True)
class Lesson:
    """What is trained, the same on every rank. `weights` is the folder of the pretrained encoder,
    None = from a random start; `digest` is of all settings; checkpoints and scalars lie below `run`
    under the name `stage`; `threads` prepare batches."""

    config: Config
    trial: Trial
    recipe: Recipe
    cache: Cache
    train: data.Selection
    dev: data.Selection | None
    weights: Path | None
    run: Path
    stage: str
    digest: str = ""
    threads: int = 2

    @property
    def section(self) -> Detector:
        return self.config.detectors[self.trial.detector]

    @property
    def labels(self) -> dict[str, int]:
        return data.class_labels(self.config, self.trial.task)

    def seed(self, *purpose: str | int) -> int:
        trial = self.trial
        return seeds.seed(self.config.seed, trial.detector, trial.task, trial.subset, *purpose)

    def diverged(self, step: int, what: str, kept: str) -> str:
        """A sentence about step `step` (from 1) with the samples of its batch, over all ranks;
        `kept` is the last good checkpoint, if any."""
        rows = data.draw(self.seed("stream"), len(self.train.rows), step - 1, self.recipe.batch)[0]
        keys = [self.cache.facts[row].key for row in self.train.rows[rows].tolist()]
        more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
        left = f"; the last good checkpoint is {kept}" if kept else ""
        return (
            f"{what} step {step}, on the samples {', '.join(keys[:SHOWN])}{more}: lower "
            f"detectors.{self.trial.detector}.learning_rate from {self.recipe.learning_rate:g} "
            f"and begin a new run{left}"
        )


def prepare(context: Context) -> Lesson:
    """All that is known before the processes meet. Raises what a user can mend, before the hours of
    training: an empty split, settings that do not go together, weights that are not there."""
    config, args = context.config, context.args
    trial = Trial(args.detector, args.task, args.subset or ALL)
    section = config.detectors[trial.detector]
    recipe = recipes.resolve(trial.detector, section, detectors.module(trial.detector).RECIPES)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    check(trial.detector, recipe, processes)
    data.accepted(context.run, config, "val")
    weights = pretrained(config, trial.detector)
    cache = open_cache(context.run, config, "train", section.size, check=rank() == 0)
    chosen = data.select(cache, config, trial.task, trial.subset)
    rest, dev = data.dev(cache, chosen, config)
    if len(rest.rows) < processes:
        raise InputError(f"detectors.{trial.detector}.processes: {processes} processes cannot share"
                         f" {len(rest.rows)} samples: use fewer")  # fmt: skip
    return Lesson(config, trial, recipe, cache, rest, dev, weights, context.run.path,
                  context.stage.name, context.stage.digest(config), threads())  # fmt: skip


def check(name: str, recipe: Recipe, processes: int) -> None:
    """What must hold between a recipe and the number of processes."""
    where = f"detectors.{name}.batch: {recipe.batch}"
    if recipe.batch < processes:
        raise ConfigError(f"{where} is less than one picture for each of {processes} processes: "
                          "use fewer")  # fmt: skip
    if recipe.batch % processes:
        raise ConfigError(f"{where} cannot be shared equally by {processes} processes")


def pretrained(config: Config, name: str) -> Path | None:
    """The folder of an encoder's published weights, held against its lock; None = none wanted."""
    folders = cards.needed(config, "detectors", name).folders(
        Path(config.editing.folder).expanduser()
    )
    for folder in folders if rank() == 0 else ():
        if folder.is_dir():  # a missing one is said by whoever reads it
            store.check(folder, store.survey(folder))
    return folders[0] if folders else None


def threads() -> int:
    """How many prepare batches: this process's share of the cores, one of which computes."""
    here = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(8, here - 1))


def rank() -> int:
    return int(os.environ.get("RANK", "0"))
