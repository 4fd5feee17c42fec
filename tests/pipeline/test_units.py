"""Figures as people read them."""

import pytest

from pipeline.units import duration, money, size


@pytest.mark.parametrize(
    "seconds, said",
    [(0, "0.0 s"), (1.44, "1.4 s"), (99.4, "99 s"), (200, "3 min 20 s"), (3599.6, "1 h 00 min"),
     (18_420, "5 h 07 min"), (3_600_000, "1,000 h 00 min")],
)  # fmt: skip
def test_a_span_of_time(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    "count, said",
    [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (5_135_149_760, "5.14 GB"), (2.5e6, "2.5 MB"),
     (1.2e12, "1,200.00 GB")],
)  # fmt: skip
def test_a_number_of_bytes(count: float, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    "amount, said",
    [(0, "0.00"), (1234.5, "1,234.50"), (0.5, "0.5000"), (0.0031, "0.0031"), (1e-6, "<0.0001")],
)
def test_an_amount_of_money(amount: float, said: str) -> None:
    assert money(amount) == said
