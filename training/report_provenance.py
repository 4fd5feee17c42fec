"""Where a run's figures come from: digests, versions, seeds, machines, hours.

in    the config, the index, the manifests' tallies, the training curves
out   (name, value) pairs, and `Table`s: the detectors as trained, the weights that painted, hours
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata

from pipeline.config import Config
from pipeline.documents import Curve, IndexFacts
from pipeline.units import duration
from training.report_columns import DASH
from training.report_conditions import trained_on
from training.report_data import Library
from training.report_stages import Stages, Tally
from training.report_tables import Cell, Column, Table
from training.report_trials import Trial

PACKAGES = ("numpy", "pillow", "pydantic", "pyarrow", "torch", "torchvision", "timm", "diffusers",
            "transformers", "segmentation-models-pytorch", "matplotlib")  # fmt: skip
WALL = "from the first start of a stage to the last commit before this report, breaks included"
#: Stages whose manifest names the weights of the model that they ran.
PAINTS = ("generate-", "propose", "segment", "prompt-", "edit-", "replay-", "score")


def facts(config: Config, index: IndexFacts, stages: Stages) -> list[tuple[str, str]]:
    """What tells this run from every other."""
    families = ", ".join(f"{name} = {label}" for name, label in sorted(
        config.families.items(), key=lambda item: item[1]))  # fmt: skip
    hosts = sorted(set().union(*(group.hosts for group in stages.groups)))
    work = sum(group.seconds for group in stages.groups)
    schemes = f", scheme {', '.join(stages.seeds)}" if stages.seeds else ""
    return [
        ("dataset digest", index.digest or "not committed yet"),
        ("config digest", config.digest()),
        ("code digest", ", ".join(stages.codes) or DASH),
        ("seed", f"{config.seed}{schemes}"),
        ("pictures", f"{_size(config)}, {config.samples:,} planned, {config.shards:,} shards"),
        ("unedited photographs", f"{config.reals.unedited:,} to train with (the paper: 5,000), "
                                 f"{config.reals.negatives:,} for whole pictures"),
        ("labels", families),
        ("weights of the editors", "not known" if config.imported else index.weights),
        ("machines", ", ".join(hosts) or DASH),
        ("wall time", f"{duration(stages.wall)}, {WALL}; {duration(work)} of process time"),
        ("report by", ", ".join(versions())),
    ]  # fmt: skip


def _size(config: Config) -> str:
    if config.imported:
        return f"{config.imported.dataset} as published"
    return f"{config.bases.resolution} × {config.bases.resolution} px"


def versions() -> list[str]:
    """Of Python and the libraries, where the report is written."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def tables(library: Library, trials: Sequence[Trial], stages: Stages) -> list[Table]:
    """Those that have rows."""
    found = [_trained(library, trials), _weights(stages), _hours(stages)]
    return [table for table in found if table.rows]


def _trained(library: Library, trials: Sequence[Trial]) -> Table:
    heads = (
        Column("detector", "name"), Column("task"), Column("trained on"), Column("encoder"),
        Column("recipe", "phrase"), Column("size", "count"), Column("pictures", "count"),
        Column("steps", "count"), Column("kept step", "count"), Column("batch", "count"),
        Column("processes", "count"), Column("time", "count"), Column("waited for data", "count"),
        Column("device"), Column("weights, sha256", "digest"),
    )  # fmt: skip
    rows = []
    for trial, curve in ((trial, trial.curve) for trial in trials):
        if curve is None:
            continue
        texts = (
            trial.of.detector, trial.of.task, trained_on(library.config, trial.of.subset),
            curve.encoder, str(curve.recipe.get("source", "")), f"{curve.size} px",
            f"{curve.samples:,}", f"{curve.steps:,}", f"{curve.best_step:,}", f"{curve.batch:,}",
            f"{curve.processes}", duration(curve.seconds), _waited(curve), curve.device,
            _sha(library, trial),
        )  # fmt: skip
        rows.append(tuple(Cell(text) for text in texts))
    note = (
        "“Waited for data” is the share of the training time in which no batch was ready.",
        "The kept step is that of the best score on the dev slice, which is cut from train.",
    )
    return Table("Detectors as they were trained", heads, tuple(rows), note)


def _waited(curve: Curve) -> str:
    return f"{curve.waited / curve.seconds:.1%}" if curve.seconds > 0 else DASH


def _sha(library: Library, trial: Trial) -> str:
    """Of the safetensors file, from the manifest: the weights themselves are not read."""
    dataset = f"train-{trial.of.name}"
    members = library.run.manifest(dataset, 0).records["model"]
    return next((one.sha256[:16] for one in members if one.name.endswith(".safetensors")), DASH)


def _weights(stages: Stages) -> Table:
    rows = [
        (Cell(stage.name), Cell(", ".join(sorted(stage.models))))
        for stage in stages.stages if stage.models and stage.name.startswith(PAINTS)
    ]  # fmt: skip
    heads = (Column("stage", "name"), Column("digest of its model", "digest"))
    return Table("Models that painted, wrote and judged", heads, tuple(rows), folded=True)


def _hours(stages: Stages) -> Table:
    heads = (Column("stage", "name"), Column("shards", "count"), Column("process time", "count"),
             Column("hours", "count"), Column("machines"))  # fmt: skip
    groups = [group for group in stages.groups if group.shards]
    rows = [_hour(group) for group in groups]
    return Table("Hours by stage", heads, tuple(rows), folded=True)


def _hour(group: Tally) -> tuple[Cell, ...]:
    return (Cell(group.name), Cell(f"{group.shards:,}"), Cell(duration(group.seconds)),
            Cell(f"{group.seconds / 3600:,.2f}"), Cell(", ".join(sorted(group.hosts))))  # fmt: skip
