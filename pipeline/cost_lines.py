"""The lines of a cost, and how shards are added up to one.

in    accounts of shards, and what became of their samples
out   `Held`: what a stage held; `Line`: the same of one that makes samples, by their fates
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Literal

from pipeline.config import Config
from pipeline.cost_read import Account
from pipeline.documents import Doc
from pipeline.fates import FATES, Fate
from pipeline.sections import Prices
from pipeline.stage import Stage

Device = Literal["gpu", "cpu"]


class Held(Doc):
    """What a stage or several held, in device-seconds. Of these, in `load` a model was loaded, and
    `salvaged` are those of killed attempts whose finished batches another took over. `planned` are
    the shards that there are to be. `money` is None without a price."""

    name: str
    device: Device
    shards: int
    planned: int
    seconds: float
    load: float
    salvaged: float
    money: float | None


class Line(Held):
    """A stage that makes samples, or several; `fates` are the seconds by what became of the
    samples. Per kept sample and per kept edit is what shards took whose samples are decided, None
    where there is nothing to divide by; `edits` is None where nothing is painted."""

    family: str
    fates: dict[Fate, float]
    per_kept_sample: float | None
    money_per_kept_sample: float | None
    edits: int | None
    per_kept_edit: float | None
    money_per_kept_edit: float | None

    @property
    def decided(self) -> float:
        """Seconds of samples whose fate is known."""
        return sum(self.fates[fate] for fate in FATES if fate != "undecided")


class Tally:
    """What the shards of one stage add up to, or with `fold` those of several on one device."""

    def __init__(self, device: Device, family: str = "") -> None:
        self.device, self.family = device, family
        self.shards, self.planned = 0, 0
        self.seconds, self.load, self.salvaged = 0.0, 0.0, 0.0
        self.fates = dict.fromkeys(FATES, 0.0)
        self.gpus: defaultdict[str, float] = defaultdict(float)
        #: Of those who paint: kept edits, and the seconds of shards that are decided.
        self.paints, self.edits, self.painting = False, 0, 0.0

    @classmethod
    def of(cls, stage: Stage, config: Config) -> Tally:
        found = cls(stage.holds[0], stage.family)
        found.planned, found.paints = len(stage.shards(config)), stage.module == "jobs.edit"
        return found

    def add(self, account: Account, count: int, fate: Mapping[str, Fate]) -> None:
        """A shard, on `count` devices. One that no sample came into (the family painted none of
        them) is shared by all that are planned in it; without `fate`, by nobody."""
        attempt = account.attempt
        held = (attempt.seconds + attempt.salvaged_seconds) * count
        self.shards, self.seconds = self.shards + 1, self.seconds + held
        self.load += attempt.phases.get("load", 0.0) * count
        self.salvaged += attempt.salvaged_seconds * count
        if self.device == "gpu":
            self.gpus[attempt.gpu or "unknown"] += held
        if not fate:
            return
        shares = Counter(fate.get(key, "undecided") for key in account.ids_in or fate)
        for one, n in shares.items():
            self.fates[one] += held * n / shares.total()
        if self.paints:
            self.edits += sum(fate.get(key) == "kept" for key in account.out)
            self.painting += held * (1 - shares["undecided"] / shares.total())

    def fold(self, other: Tally) -> None:
        self.shards, self.planned = self.shards + other.shards, self.planned + other.planned
        self.seconds, self.load = self.seconds + other.seconds, self.load + other.load
        self.salvaged += other.salvaged
        self.fates = {fate: self.fates[fate] + other.fates[fate] for fate in FATES}
        self.paints |= other.paints
        self.edits, self.painting = self.edits + other.edits, self.painting + other.painting

    def held(self, name: str, prices: Prices) -> Held:
        return Held(name=name, device=self.device, shards=self.shards, planned=self.planned,
                    seconds=round(self.seconds, 6), load=round(self.load, 6),
                    salvaged=round(self.salvaged, 6),
                    money=_money(self.seconds, self.device, prices))  # fmt: skip

    def line(self, name: str, kept: int, prices: Prices) -> Line:
        """In a run that has `kept` samples so far."""
        sample = _per(self.seconds - self.fates["undecided"], kept)
        edit = _per(self.painting, self.edits)
        return Line(
            **self.held(name, prices).model_dump(), family=self.family,
            fates={fate: round(self.fates[fate], 6) for fate in FATES},
            per_kept_sample=sample, money_per_kept_sample=_money(sample, self.device, prices),
            edits=self.edits if self.paints else None,
            per_kept_edit=edit, money_per_kept_edit=_money(edit, self.device, prices),
        )  # fmt: skip


def _per(seconds: float, count: int) -> float | None:
    return round(seconds / count, 6) if count else None


def _money(seconds: float | None, device: Device, prices: Prices) -> float | None:
    hour = prices.gpu_hour if device == "gpu" else prices.cpu_hour
    return None if hour is None or seconds is None else round(seconds / 3600 * hour, 6)
