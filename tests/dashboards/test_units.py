"""Numbers as Grafana would show them."""

from math import inf, nan

import pytest

from tests.dashboards.units import shown


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.5, "percentunit", None, "50%"),
        (0.0123, "percentunit", 1, "1.2%"),
        (0, "s", None, "0 s"),
        (0.0125, "s", None, "12.5 ms"),
        (90, "s", 0, "1.5 min"),
        (7200, "s", None, "2.0 h"),
        (1536, "bytes", None, "1.5 KiB"),
        (3, "bytes", 1, "3 B"),
        (5 * 2**30, "binBps", 1, "5.0 GiB/s"),
        (12345, "short", None, "12.3 K"),
        (9876, "short", None, "9876"),
        (-3.5, "short", 1, "−3.5"),
        (4.25, "suffix:/s", 1, "4.2/s"),
        (0.0126, "sci", None, "1.3e-2"),
        (nan, "s", None, "–"),
        (inf, "s", None, "∞"),
    ],
)
def test_a_number_in_its_unit(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert shown(value, unit, decimals) == text


def test_an_unknown_unit_is_an_error() -> None:
    with pytest.raises(ValueError, match="no unit is called furlongs"):
        shown(1, "furlongs")
