"""How figures are said to people: spans of time, shares, money."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """1.4 s, 3 min 20 s, 5 h 07 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def money(amount: float) -> str:
    """12.40; below 1, four digits after the point, so that a sample's price is not 0.00."""
    if 0 < amount < 0.00005:
        return "<0.0001"
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.4f}"
