"""The part of the DAG that learns from the dataset: detectors, their scores, the report."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import protocols, records
from pipeline.cards import card
from pipeline.config import Config
from pipeline.protocols import Trial
from pipeline.stage import Stage


def train_stages(config: Config, reals: Sequence[str]) -> list[Stage]:
    """One for each detector, task and subset that any protocol asks for."""
    return [
        Stage(f"train-{trial.name}", "training.train", trial.args,
              ("assemble-train", *reals, "index"), records.ToTrain, records.Trained,
              image="train", scope="run", processes=_processes(config, trial),
              gpu_gib=_gib(config, trial), trained=((trial.detector, trial.task),))
        for trial in protocols.trials(config)
    ]  # fmt: skip


def evaluate_stages(
    config: Config, bases: Sequence[str], reals: Sequence[str], replays: Sequence[str]
) -> list[Stage]:
    """One for each of these in each protocol."""
    stages = []
    for name, trials in protocols.evaluations(config).items():
        protocol = protocols.PROTOCOLS[name]
        before = (*bases, "assemble-train") if protocol.reals else ()  # the control, the dev slice
        also = [*(reals if protocol.reals else ()), *(replays if protocol.replays else ())]
        keys = [*(["holdouts"] if protocol.subsets == "holdouts" else []),
                *(["replays"] if protocol.replays else [])]  # fmt: skip
        stages += [
            Stage(f"evaluate-{name}-{trial.name}", "training.evaluate",
                  ("--protocol", name, *trial.args),
                  (*before, "assemble-val", *also, f"train-{trial.name}"),
                  records.ToEvaluate, records.Evaluated, image="train", scope="run",
                  gpu_gib=_gib(config, trial), trained=((trial.detector, trial.task),),
                  keys_of_config=tuple(keys))
            for trial in trials
        ]  # fmt: skip
    return stages


def report_stage(config: Config, reads: Sequence[str]) -> Stage:
    trained = dict.fromkeys((trial.detector, trial.task) for trial in protocols.trials(config))
    return Stage("report", "training.report", (), (*reads,), records.ToReport, records.Reported,
                 image="train", scope="run", trained=tuple(trained),
                 keys_of_config=("protocols", "holdouts", "replays"))  # fmt: skip


def _processes(config: Config, trial: Trial) -> int:
    """Of torchrun; one process needs none."""
    count = config.detectors[trial.detector].processes
    return count if count > 1 else 0


def _gib(config: Config, trial: Trial) -> int:
    on_cpu = config.detectors[trial.detector].device == "cpu"
    return 0 if on_cpu else card("detectors", trial.detector).gpu_gib
