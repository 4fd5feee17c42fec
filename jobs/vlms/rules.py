"""The VLM's CPU stand-in: rules, deterministic, no weights. It does real but modest work.

- propose: the annotated objects of a photograph (people first, larger first), else its main
  colours as "green area" and the like, which the classical segmenter can find.
- prompt: a template for each edit type, filled with the object's name and a seeded word.
- score: how well the edited pixels' colour and contrast fit the untouched ones around them. It
  knows nothing of content; it exists so that the filter has something to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.colours import named_pixels
from jobs.taxonomy import category
from jobs.vlms import Judged, Unparsable, Vlm, Wish
from pipeline.cards import Card
from pipeline.config import Config
from pipeline.documents import NamedObject, Objects, Prompt, Score
from pipeline.records import ToPropose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CARD = Card(title="rules", image="base", note="a rule-based stand-in, no model")

LOOKS = (
    "bright red",
    "deep blue",
    "wooden",
    "golden",
    "made of glass",
    "striped",
    "covered in snow",
)
NEWCOMERS = {
    "food": ("a bowl of cherries", "a slice of cake"),
    "vehicles": ("a small boat", "a yellow bicycle"),
    "furniture": ("a wicker chair", "a round table"),
    "nature scenery": ("a flowering bush", "a mossy rock"),
    "animals": ("a sleeping fox", "a white rabbit"),
    "humans": ("a smiling child", "an old man with a hat"),
    "signs": ("a blue street sign", "a paper lantern"),
    "other": ("a clay vase", "a stack of books"),
}
#: Fewest pixels, as a share of the picture, for a colour to be proposed.
MIN_SHARE = 0.03
#: Differences (8-bit levels) that cost one point of the score.
COLOUR_POINT, CONTRAST_POINT = 28.0, 34.0


class Rules:
    """Implements `jobs.vlms.Vlm`."""

    model = ""

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | Unparsable]:
        return [Objects(objects=self._objects(item)) for item in items]

    def _objects(self, item: ToPropose) -> tuple[NamedObject, ...]:
        known = tuple(dict.fromkeys(item.source.objects))
        if known:
            return tuple(sorted(known, key=lambda thing: thing.category != "humans"))
        planes = named_pixels(item.image)
        shares = {name: float(plane.mean()) for name, plane in planes.items()}
        names = sorted((name for name in shares if shares[name] >= MIN_SHARE),
                       key=lambda name: (-shares[name], name))  # fmt: skip
        return tuple(
            NamedObject(name=f"{name} area", category=category(f"{name} area")) for name in names
        )

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | Unparsable]:
        return [self._prompt(item) for item in items]

    def _prompt(self, wish: Wish) -> Prompt:
        name = wish.region.name
        gone = f"the empty background where the {name} was, nothing else"
        if wish.edit == "removal":
            return Prompt(texts=(gone,), target=name)
        if wish.edit == "addition":
            choice = NEWCOMERS[
                wish.region.category if wish.region.category in NEWCOMERS else "other"
            ]
            new = choice[wish.seed % len(choice)]
            return Prompt(texts=(gone, f"{new}, sharp photograph"), target=new)
        look = LOOKS[wish.seed % len(LOOKS)]
        return Prompt(texts=(f"the same {name}, but {look}, sharp photograph",), target=name)

    def score(self, items: Sequence[Judged]) -> list[Score | Unparsable]:
        return [_fit(item.image, item.edited) for item in items]


def _fit(image: NDArray[np.uint8], edited: NDArray[np.bool_]) -> Score | Unparsable:
    """5 minus a point for each step of mean colour or of contrast between edited and untouched."""
    if not edited.any() or edited.all():
        return Unparsable()  # there is nothing to compare
    inside, outside = image[edited].astype(float), image[~edited].astype(float)
    colour = float(abs(inside.mean(axis=0) - outside.mean(axis=0)).mean())
    contrast = float(abs(inside.std(axis=0) - outside.std(axis=0)).mean())
    points = 5 - colour / COLOUR_POINT - contrast / CONTRAST_POINT
    reason = f"edited part differs by {colour:.0f} levels in colour and {contrast:.0f} in contrast"
    return Score(score=max(0, min(5, round(points))), reason=reason, raw=f"{points:.3f}")


def load(config: Config) -> Vlm:
    return Rules()
