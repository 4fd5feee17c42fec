"""Grafana's units, as far as the dashboards use them: a number as a person reads it."""

from __future__ import annotations

from math import isfinite, isnan

IEC = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
#: Seconds of a unit and its short name, longest first.
SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """`decimals` None: three digits that count."""
    if not isfinite(value):
        return "–" if isnan(value) else "∞" if value > 0 else "−∞"
    text = _shown(abs(value), unit, decimals)
    return text if value >= 0 or not text.strip("0. %smµ") else f"−{text}"


def _shown(value: float, unit: str, decimals: int | None) -> str:
    if unit == "percentunit":
        return f"{_digits(100 * value, decimals)}%"
    if unit == "s":
        return _span(value, decimals)
    if unit in ("bytes", "binBps"):
        power = 0
        while value >= 1024 and power < len(IEC) - 1:
            value, power = value / 1024, power + 1
        text = _digits(value, 0 if power == 0 else decimals)
        return f"{text} {IEC[power]}{'/s' if unit == 'binBps' else ''}"
    if unit == "sci":
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e") if value else "0"
    if unit.startswith("suffix:"):
        return _digits(value, decimals) + unit.removeprefix("suffix:")
    if unit == "short" and value >= 1e4:
        return f"{_digits(value / 1e3, decimals)} K"
    if unit in ("short", "none"):
        return _digits(value, decimals)
    raise ValueError(f"no unit is called {unit}: add it here, as Grafana shows it")


def _span(value: float, decimals: int | None) -> str:
    for size, name in SPANS:
        if value >= size or name == "µs":
            break
    if not value:
        size, name = 1.0, "s"
    # A whole number of minutes or hours says too little of two of them.
    return f"{_digits(value / size, 1 if size > 1 and not decimals else decimals)} {name}"


def _digits(value: float, decimals: int | None) -> str:
    if decimals is None:
        decimals = 0 if value >= 100 else 1 if value >= 10 else 2
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{decimals}f}"
