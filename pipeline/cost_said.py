"""A cost in sentences, for `palimpsest cost` and for the report."""

from __future__ import annotations

from pipeline.cost import Cost
from pipeline.cost_lines import Device, Held, Line
from pipeline.fates import Fate
from pipeline.units import duration, money

DASH = "–"
SHARED = (
    "A shard's seconds are shared equally by the samples that came in. What went into the filtered "
    "and the quarantined is in the figures per kept sample and per kept edit."
)
KILLED = (
    "Not counted are attempts that were killed, which leave no manifest (but for finished batches "
    "that a later attempt took over), and the time in which processes start."
)
INTO: dict[Fate, str] = {
    "filtered": "were filtered", "quarantined": "were quarantined", "undecided": "are undecided",
}  # fmt: skip
#: Seconds of a whole from which hours are told.
LONG = 36_000


def sentences(found: Cost) -> list[str]:
    """How far the run is, what a kept sample took, what the others took, and the bill."""
    said = [*_progress(found), *_each(found)]
    return [*said, *(_spent(total) for total in found.totals if total.seconds), *_bill(found)]


def _progress(found: Cost) -> list[str]:
    done, planned = found.shards
    if done == planned:
        return []
    left = found.samples["undecided"]
    also = (f" {left:,} samples are undecided; nothing per sample or edit counts what went into "
            "them.") if left else ""  # fmt: skip
    return [f"This run is not complete: {done:,} of {planned:,} shards of all stages are "
            f"committed.{also}"]  # fmt: skip


def _each(found: Cost) -> list[str]:
    lines = [one for one in found.totals if one.per_kept_sample is not None]
    parts = [f"{each(one.per_kept_sample)} of a {one.device.upper()}{_paid(one, found)}"
             for one in lines]  # fmt: skip
    sums = [one.money_per_kept_sample for one in lines if one.money_per_kept_sample is not None]
    both = f", together {money(sum(sums))} {found.currency}" if len(sums) > 1 else ""
    return [f"A kept sample took {' and '.join(parts)}{both}."] if parts else []


def _paid(one: Line, found: Cost) -> str:
    paid = one.money_per_kept_sample
    return "" if paid is None else f" ({money(paid)} {found.currency})"


def _spent(total: Line) -> str:
    """Of 412 GPU-seconds 197 (48 %) went into samples that were filtered, and so on."""
    told = [fate for fate in INTO
            if (total.fates[fate] if fate == "undecided" else total.decided)]  # fmt: skip
    first, *parts = (_part(total, fate) for fate in told)
    first = first.replace("into", "went into", 1)
    last = f" and {parts.pop()}" if parts else ""
    whole = _number(total.seconds, total.seconds)
    return f"Of {whole} {_unit(total)} {', '.join((first, *parts))}{last}."


def _part(total: Line, fate: Fate) -> str:
    of = total.fates[fate]
    share = f" ({of / total.seconds:.0%})".replace("%", " %") if of else ""
    amount = _number(of, total.seconds) if of else "none"
    return f"{amount}{share} into samples that {INTO[fate]}"


def _number(seconds: float, of: float) -> str:
    """In hours where the whole is long."""
    scaled, whole = (one / 3600 if of >= LONG else one for one in (seconds, of))
    return f"{scaled:,.1f}" if whole < 1000 else f"{scaled:,.0f}"


def _unit(total: Line) -> str:
    return f"{total.device.upper()}-{'hours' if total.seconds >= LONG else 'seconds'}"


def _bill(found: Cost) -> list[str]:
    """What all of it costs, the stages apart included, by device."""
    if not found.priced:
        return ["No money is told: prices.gpu_hour and prices.cpu_hour are not in the config."]
    lines: tuple[Held, ...] = (*found.totals, *found.apart)
    said = []
    for device, price in found.prices.items():
        seconds = sum(one.seconds for one in lines if one.device == device)
        if seconds:
            said.append(_priced(device, seconds, price, found.currency))
    return [f"In all, {'; '.join(said)}."] if said else []


def _priced(device: Device, seconds: float, price: float | None, currency: str) -> str:
    took = f"{duration(seconds)} of {device.upper()}s"
    if price is None:
        return f"{took} without a price (prices.{device}_hour is not in the config)"
    return (
        f"{took} at {money(price)} {currency} an hour: {money(seconds / 3600 * price)} {currency}"
    )


def each(seconds: float | None) -> str:
    """Of one sample or edit."""
    if seconds is None:
        return DASH
    if seconds < 10:
        return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.2f} s"
    return duration(seconds)


def share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else DASH
