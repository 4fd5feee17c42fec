"""Each turn asks for the text of its own region, kind and draw."""

from collections.abc import Callable, Sequence

import numpy as np

from jobs.prompt import prompt
from jobs.vlms import Judged, Unparsable, Wish
from pipeline.config import Config
from pipeline.documents import Objects, Plan, Prompt, Region, Regions, Score, Turn
from pipeline.records import Prompted, Reject, ToPrompt, ToPropose  # fmt: skip


class Echo:
    """Keeps what it was asked; cannot answer for removals."""

    model = ""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | Unparsable]:
        raise NotImplementedError

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | Unparsable]:
        self.wishes += items
        return [
            Unparsable(("?",)) if wish.edit == "removal" else Prompt(texts=(wish.region.name,))
            for wish in items
        ]

    def score(self, items: Sequence[Judged]) -> list[Score | Unparsable]:
        raise NotImplementedError


def item(key: str = "00000000") -> ToPrompt:
    masks = np.zeros((2, 8, 8), np.bool_)
    masks[0, :4], masks[1, 4:] = True, True
    regions = tuple(
        Region(name=name, category="other", area=0.5, box=(0, 0, 8, 4), origin="segmenter")
        for name in ("upper", "lower")
    )
    turns = (
        Turn(region=1, family="clone", edit="attribute"),
        Turn(region=0, family="clone", edit="removal"),
    )
    image = np.zeros((8, 8, 3), np.uint8)
    return ToPrompt(key, image, masks, Regions(regions=regions), Plan(turns=turns))


def test_a_turn_asks_about_its_own_region(standin: Config) -> None:
    vlm = Echo()
    assert prompt(vlm, standin, 1, [item()]) == [Prompted(Prompt(texts=("lower",)))]
    (wish,) = vlm.wishes
    assert wish.edit == "attribute" and (wish.mask == item().masks[1]).all()


def test_no_answer_is_unparsable(standin: Config) -> None:
    assert prompt(Echo(), standin, 2, [item()]) == [Reject("unparsable-prompt", "'?'")]


def test_the_wording_is_drawn_for_key_turn_and_seed(
    standin: Config, configured: Callable[..., Config]
) -> None:
    def draws(config: Config, turn: int, key: str) -> int:
        vlm = Echo()
        prompt(vlm, config, turn, [item(key)])
        return vlm.wishes[0].seed

    base = draws(standin, 1, "a")
    assert base == draws(standin, 1, "a")
    assert len({base, draws(standin, 2, "a"), draws(standin, 1, "b"),
                draws(configured(seed=8), 1, "a")}) == 4  # fmt: skip
