"""Secrets are not said, whoever says them."""

from pathlib import Path

import pytest

from pipeline import errors, events, hidden
from pipeline.errors import BUG, TRANSIENT, TransientError, guard

TOKEN = "hf_" + "aB3dE6gH" * 4
OTHER = "no-look-of-a-token-at-all"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"GET /x?token={TOKEN} failed", "GET /x?token=*** failed"),
        (f"{{'Authorization': 'Bearer {OTHER}'}}", "{'Authorization': 'Bearer ***'}"),
        (f"Basic {TOKEN}", "Basic ***"),
        (f"token {OTHER}: no", "token ***: no"),
        ("hf_short and Bearer of bad news", "hf_short and Bearer of bad news"),
        ("tokens of a prompt; hf_xet 1.2.3", "tokens of a prompt; hf_xet 1.2.3"),
    ],
)
def test_what_is_hidden(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", OTHER)
    monkeypatch.setenv("TOKEN", "short")
    assert hidden.hide(text) == said


def test_what_was_read_from_a_file_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "_known", set())
    assert hidden.hide(OTHER) == hidden.keep(OTHER) == OTHER
    assert hidden.hide(f"a {OTHER} b") == "a *** b"
    hidden.keep("")
    assert hidden.hide("ab") == "ab"


def test_none_is_cut_in_half() -> None:
    assert TOKEN[-12:] not in events.clean(f"{TOKEN} {'x' * 100}", 112)


@pytest.mark.parametrize("mode", ["human", "json"])
@pytest.mark.parametrize("code", [BUG, TRANSIENT])
def test_last_words_have_none(
    code: int, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr(errors, "TERMINATION_LOG", str(log))
    events.speak_for({"stage": "fetch"}, mode)

    def main(argv: list[str]) -> int:
        kind = RuntimeError if code == BUG else TransientError
        raise kind(f"GET https://hub/?token={TOKEN}: headers {{'Authorization': 'Bearer {OTHER}'}}")

    assert guard(main, []) == code
    said = "".join(capfd.readouterr()) + log.read_text()
    assert "Bearer ***" in said and "https://hub/?token=***" in said
    assert TOKEN not in said and OTHER not in said
