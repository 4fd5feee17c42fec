"""The tests' own servers: a program that is missing fails in CI and skips elsewhere."""

from pathlib import Path

import pytest

from tests import servers


@pytest.mark.parametrize("program", servers.PROGRAMS)
def test_a_missing_program_is_named(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"no {program}: apt-get install"):
        servers.need(program)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=f"no {program}: apt-get install"):
        servers.need(program)


def test_a_server_that_does_not_begin_says_why(tmp_path: Path) -> None:
    servers.need("prometheus-alertmanager")
    (tmp_path / "wrong.yaml").write_text("route: {receiver: nobody}")
    with (
        pytest.raises(RuntimeError, match="undefined receiver"),
        servers.alertmanager(tmp_path, tmp_path / "wrong.yaml"),
    ):
        pass
