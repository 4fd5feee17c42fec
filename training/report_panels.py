"""The paper's figure 6 for this run: edited picture, ground truth, what each detector predicts.

in    the val samples of which predictions are kept, the trials
out   `Panel`s of tiles with the instruction texts (the template escapes them)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.documents import Edit
from training import report_data as data
from training import report_pictures as pictures
from training.report_data import Kept, Library
from training.report_sheet import Tile, choose
from training.report_trials import Trial, prediction

ROWS = 6


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `texts` are (colour, family, what was asked for), a turn each."""

    kept: Kept
    tiles: tuple[Tile, ...]
    texts: tuple[tuple[str, str, str], ...]


def panels(library: Library, samples: Sequence[Kept], trials: Sequence[Trial]) -> list[Panel]:
    """A varied few of the val samples with edits; none without predictions."""
    scored = [trial for trial in trials if trial.metrics and trial.of.task != "image"]
    shown = choose((k for k in samples if k.split == "val" and k.sample.edits), ROWS)
    found = [_panel(library, kept, scored) for kept in shown] if scored else []
    return [panel for panel in found if panel]


def _panel(library: Library, kept: Kept, trials: Sequence[Trial]) -> Panel | None:
    guesses = [(trial, prediction(library, kept, trial)) for trial in trials]
    there = [(trial, guess) for trial, guess in guesses if guess is not None]
    if not there:
        return None
    image, labels = (data.final(library, kept, name, kind)
                     for name, kind in (("image", "Photo"), ("mask", "LabelMap")))  # fmt: skip
    tiles = [
        Tile("edited", "edited picture", f"{kept.key}: the edited picture",
             pictures.photo_uri(image), image.shape[0]),
        Tile("truth", "ground truth", f"{kept.key}: who painted which pixel",
             pictures.map_uri(labels), labels.shape[0]),
    ]  # fmt: skip
    for trial, guess in there:
        uri = pictures.map_uri(guess, trial.of.task == "binary")
        tiles.append(Tile("guess", trial.of.detector, f"{kept.key}: prediction of {trial.name}",
                          uri, guess.shape[0], what=trial.name.partition(", ")[2]))  # fmt: skip
    texts = tuple(
        (pictures.colour(edit.label), edit.family, _asked(kept, edit)) for edit in kept.sample.edits
    )
    return Panel(kept, tuple(tiles), texts)


def _asked(kept: Kept, edit: Edit) -> str:
    """The instruction of a turn; of an imported sample, which has none, nothing."""
    if kept.sample.source.base == "unknown":
        return ""
    said = f"turn {edit.turn}, {edit.edit} of {kept.sample.regions[edit.region].name}"
    return said + "".join(f": {prompt}" for prompt in edit.prompts[-1:])
