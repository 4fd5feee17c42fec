"""Puts the report together: what the template is given, and the template.

    in    a `Library` on a run whose datasets and scores are committed
    out   the page, as text

Texts of users and models reach the page through the template only, which escapes them.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline import runs
from pipeline.cards import Card as ModelCard
from pipeline.cards import Role, card
from pipeline.config import Config
from pipeline.documents import IndexFacts, Share
from pipeline.loop import Clock
from training import report_charts, report_data, report_pictures, report_sheet, report_stages
from training.report_charts import duration
from training.report_data import Kept, Library, Trial
from training.report_plots import Plot
from training.report_stages import Stages

TEMPLATES = Path(__file__).parent / "templates"
PACKAGES = ("numpy", "pillow", "pydantic", "pyarrow", "torch", "diffusers", "transformers",
            "segmentation-models-pytorch", "matplotlib")  # fmt: skip
WALL = "from the first start of a stage to the last commit before this report, breaks included"


def page(library: Library, clock: Clock) -> str:
    """The whole report."""
    config = library.config
    with clock.phase("read"):
        samples = list(report_data.samples(library))
        trials = report_data.trials(library)
        stages = report_stages.collect(library.run, config)
        index: IndexFacts = library.join("index", 0).rows["index"].get("index", "IndexFacts")
    with clock.phase("pictures"):
        cards = report_sheet.sheet(library, samples, trials, report_stages.skipped(stages))
        details = {i.key: i for s in stages.stages if s.name == "score" for i in s.rejected}
        strip = report_sheet.strip(library, samples, details)
    columns, truth = report_sheet.grid(cards)
    with clock.phase("plots"):
        plots = _plots(samples, trials, stages, config)
    with clock.phase("render"):
        return render(
            config=config, index=index, facts=_facts(config, index, stages), cards=cards,
            strip=strip, trials=trials, stages=stages, reasons=report_stages.reasons(stages),
            excerpt=report_stages.excerpt(stages), colours=report_pictures.colours(config),
            edited=report_pictures.EDITED, edits=_edits(samples), untouched=_untouched(trials),
            photographs=index.sources, models=_models(config), vocabulary=_scores(samples),
            lost=index.planned - sum(index.samples.values()), notes=_notes(samples), wall=WALL,
            balance=_balance(index),
            ignored=runs.begun(library.run.path).get("ignored", {}),
            binary=any(trial.task == "binary" for trial in trials), columns=columns, truth=truth,
            **plots,
        )  # fmt: skip


def render(**given: Any) -> str:
    """Fill in the template. Everything is escaped, an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    jinja.filters |= {"duration": duration, "share": _share}
    return jinja.get_template("report.html.j2").render(**given)


def _share(value: float | None) -> str:
    """A score with three digits; a dash where there is nothing to score."""
    return "–" if value is None or value != value else f"{value:.3f}"


def _plots(
    samples: Sequence[Kept], trials: Sequence[Trial], stages: Stages, config: Config
) -> dict[str, list[Plot]]:
    from training import report_statistics

    kept = [item for item in samples if item.split != "filtered"]
    found: dict[str, list[Plot]] = {"statistics": [], "scores": [], "times": []}
    if any(item.sample.edits for item in kept):
        found["statistics"] = report_statistics.plots(kept, config)
    if any(trial.curve and trial.curve.loss for trial in trials):
        found["scores"].append(report_charts.losses(trials))
    found["scores"] += [report_charts.confusion(t) for t in trials if t.task == "semantic"]
    if stages.bars:
        colours = report_pictures.colours(config)
        found["times"] = [report_charts.timeline(stages, colours), report_charts.seconds(stages)]
    return found


def _facts(config: Config, index: IndexFacts, stages: Stages) -> list[tuple[str, str]]:
    versions = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    families = ", ".join(f"{name} = {label}" for name, label in sorted(
        config.families.items(), key=lambda item: item[1]))  # fmt: skip
    work = sum(group.seconds for group in stages.groups)
    return [
        ("dataset digest", index.digest), ("config digest", config.digest()),
        ("code digest", ", ".join(stages.codes)), ("seed", str(config.seed)),
        ("pictures", f"{config.bases.resolution} × {config.bases.resolution} px, "
                     f"{config.samples:,} planned, {config.shards:,} shards"),
        ("labels", families), ("weights", config.editing.weights),
        ("wall time", f"{duration(stages.wall)}, {WALL}; {duration(work)} of process time"),
        ("report by", ", ".join(versions)),
    ]  # fmt: skip


def _edits(samples: Sequence[Kept]) -> int:
    return sum(len(kept.sample.edits) for kept in samples if kept.split != "filtered")


def _scores(samples: Sequence[Kept]) -> list[tuple[int, int]]:
    """How many samples got which score of naturalness."""
    return sorted(Counter(kept.sample.score.score for kept in samples).items(), reverse=True)


def _balance(index: IndexFacts) -> list[tuple[str, list[Share]]]:
    """The rows of each quota, in their order."""
    return [(quota, list(rows)) for quota, rows in groupby(index.balance, lambda row: row.quota)]


def _untouched(trials: Sequence[Trial]) -> dict[str, float]:
    """The accuracy of calling every pixel untouched: what any detector has to beat."""
    return {trial.name: 1 - trial.metrics.edited_pixel_fraction for trial in trials}


def _notes(samples: Sequence[Kept]) -> list[tuple[str, str]]:
    """(photograph, what ingest noted about it), each once."""
    found = {(k.sample.source.file, note) for k in samples for note in k.sample.source.notes}
    return sorted(found)


def _models(config: Config) -> list[tuple[str, str, ModelCard]]:
    """(role, name, card) of every model of the run."""
    wanted: list[tuple[Role, str, str]] = [("editors", "editor", name) for name in config.families]
    wanted.append(("vlms", "language model", config.vlm))
    wanted.append(("segmenters", "segmenter", config.segmenter))
    return [(said, name, card(role, name)) for role, said, name in wanted]
