"""A run id is a folder, a label and an Argo parameter: it holds nothing that any of them reads."""

import pytest

from pipeline import run_id
from pipeline.errors import InputError


@pytest.mark.parametrize("good", ["r", "demo", "2026-11-21", "v1.2", "a" * 52])
def test_good(good: str) -> None:
    assert run_id.checked(good) == good


@pytest.mark.parametrize(
    "bad",
    ["", "my run", "{{run}}", "r\n", "r1\x1b[31m", "../r", "-r", "r-", "R1", "ü", "a" * 53],
)  # fmt: skip
def test_bad(bad: str) -> None:
    with pytest.raises(InputError, match="cannot be a run id: give 1 to 52 of a-z") as error:
        run_id.checked(bad)
    assert repr(bad) in str(error.value) and "\x1b" not in str(error.value)
