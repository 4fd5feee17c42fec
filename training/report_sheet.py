"""The contact sheet: which samples are shown, and what is shown of each.

in    the samples, the trials, a `Library` to read pictures from
out   `Card`s of `Tile`s, texts as they are (the template escapes them)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.documents import Edit
from pipeline.manifest import Rejected
from training import report_data as data
from training import report_pictures as pictures
from training.report_data import Kept, Library
from training.report_trials import Trial, prediction

ROWS, STRIP, COLUMNS = 12, 8, 8


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a card; `uri` is "" where the run does not keep the picture any more."""

    kind: str
    head: str
    title: str
    uri: str
    side: int
    colour: str = ""
    family: str = ""
    what: str = ""
    prompt: str = ""
    path: str = ""
    traced: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    kept: Kept
    tiles: tuple[Tile, ...]
    skipped: tuple[tuple[str, Rejected], ...]
    why: str = ""


def traits(kept: Kept) -> dict[tuple[str, object], int]:
    """What makes a sample worth showing, and how much when no sample shown yet has it."""
    sample = kept.sample
    found: dict[tuple[str, object], int] = {
        ("base", sample.source.base): 3, ("turns", len(sample.edits)): 3, ("of", kept.source): 2,
    }  # fmt: skip
    for edit in sample.edits:
        found["family", edit.family] = 4
        found["edit", edit.edit] = 2
        found["category", sample.regions[edit.region].category] = 1
    return found


def choose(samples: Iterable[Kept], limit: int) -> list[Kept]:
    """A varied few, the same every time: val before train, what is new before what is not."""
    left = [(kept, traits(kept)) for kept in samples]
    seen: set[tuple[str, object]] = set()
    taken: list[Kept] = []
    while left and len(taken) < limit:
        gains = [
            (sum(worth for trait, worth in of.items() if trait not in seen)
             + 3 * (kept.split == "val"), -i)
            for i, (kept, of) in enumerate(left)
        ]  # fmt: skip
        kept, of = left.pop(-max(gains)[1])
        taken.append(kept)
        seen |= of.keys()
    return sorted(taken, key=lambda kept: (kept.split != "val", -len(kept.sample.edits), kept.key))


def sheet(
    library: Library, samples: Sequence[Kept], trials: Sequence[Trial],
    skipped: dict[str, list[tuple[str, Rejected]]],
) -> list[Card]:  # fmt: skip
    """A card for each of a dozen samples: original, turns, label map, predictions."""
    shown = choose((k for k in samples if k.split != "filtered" and k.sample.edits), ROWS)
    return [Card(kept, (*_story(library, kept), *_maps(library, kept, trials)),
                 tuple(skipped.get(kept.key, ()))) for kept in shown]  # fmt: skip


def grid(cards: Sequence[Card]) -> tuple[int, str]:
    """Columns of the sheet and that of the truth, so that alike pictures stand below each other."""
    story = max((sum(t.kind in ("original", "turn") for t in c.tiles) for c in cards), default=1)
    maps = max((sum(t.kind in ("truth", "guess") for t in c.tiles) for c in cards), default=1)
    fits = story + maps <= COLUMNS
    return (max(story + maps, 5), str(story + 1)) if fits else (COLUMNS, "auto")


def strip(library: Library, samples: Sequence[Kept], details: dict[str, Rejected]) -> list[Card]:
    """A few samples that were set aside: the last picture, and why."""
    found = []
    for kept in choose((kept for kept in samples if kept.split == "filtered"), STRIP):
        story = _story(library, kept)
        rejected = details.get(kept.key)
        why = kept.sample.score.reason or (rejected.detail or rejected.reason if rejected else "")
        found.append(Card(kept, (story[-1],), (), why))
    return found


def _story(library: Library, kept: Kept) -> list[Tile]:
    """The original, then the picture after each turn with the outline of what was painted; of an
    imported sample, whose turns are not known, the picture."""
    source, edits = kept.sample.source, kept.sample.edits
    if source.base == "unknown":
        image = data.final(library, kept, "image", "Photo")
        return [Tile("original", "as published", source.file, *_photo(image), what=source.file)]
    base = data.base_picture(library, kept)
    made = f"painted by {source.family}" if source.base == "ai" else source.file
    found = [Tile("original", "original", f"original: {made}. {source.caption}".strip(),
                  *_photo(base), what=made, prompt=source.caption)]  # fmt: skip
    for edit, mask in zip(edits, data.masks(library, kept), strict=True):
        image = data.turn_picture(library, kept, edit.turn, edit.family)
        path, traced = pictures.outline(mask)
        name = kept.sample.regions[edit.region].name
        found.append(Tile(
            "turn", f"turn {edit.turn}", _details(edit, name), *_photo(image),
            colour=pictures.colour(edit.label), family=edit.family, what=_what(edit, name),
            prompt=edit.prompts[-1] if edit.prompts else "", path=path, traced=traced))  # fmt: skip
    return found


def _photo(image: data.Bytes | None) -> tuple[str, int]:
    return ("", 0) if image is None else (pictures.photo_uri(image), image.shape[0])


def _what(edit: Edit, name: str) -> str:
    """What was done to what; the prompt stands below it."""
    return f"{edit.edit}: {name}" + (" replaced by" if edit.edit == "addition" else "")


def _details(edit: Edit, name: str) -> str:
    lines = [f"turn {edit.turn}: {edit.family}, {edit.edit} of {name}"]
    lines += [f"prompt {i + 1}: {prompt}" for i, prompt in enumerate(edit.prompts)]
    seeds = ", ".join(map(str, edit.seeds))
    lines.append(f"{edit.steps} steps, guidance {edit.guidance:g}, seed {seeds}")
    lines.append(f"mask {edit.area:.1%} of the picture, {edit.changed:.1%} of it changed")
    return "\n".join(lines)


def _maps(library: Library, kept: Kept, trials: Sequence[Trial]) -> list[Tile]:
    """The truth, and for a val sample what each detector made of it."""
    labels = data.final(library, kept, "mask", "LabelMap")
    title = f"who painted which pixel; {(labels > 0).mean():.1%} of the picture is painted"
    found = [Tile("truth", "truth", title, pictures.map_uri(labels), labels.shape[0],
                  what="last painter wins")]  # fmt: skip
    for trial in trials if kept.split == "val" else ():
        guess = prediction(library, kept, trial)
        if guess is not None:
            uri = pictures.map_uri(guess, trial.of.task == "binary")
            said = f"{(guess > 0).mean():.0%} called edited"
            found.append(Tile("guess", "predicted", f"{trial.name}: {said}", uri,
                              guess.shape[0],
                              what=f"{trial.of.task}, {trial.of.detector}"))  # fmt: skip
    return found
