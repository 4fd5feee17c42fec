"""How figures are said to people: spans of time, sizes, money."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """1.4 s, 3 min 20 s, 5 h 07 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes: 340 B, 1.2 MB, 23.80 GB."""
    for unit, least, digits in (("GB", 1e9, 2), ("MB", 1e6, 1), ("kB", 1e3, 1)):
        if count >= least:
            return f"{count / least:,.{digits}f} {unit}"
    return f"{count:.0f} B"


def counted(count: int, one: str, more: str = "") -> str:
    """1 shard, 3 shards, 2 matrices."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def money(amount: float) -> str:
    """12.40; below 1, four digits after the point, so that a sample's price is not 0.00."""
    if 0 < amount < 0.00005:
        return "<0.0001"
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.4f}"
