"""What `palimpsest gc` may not look at is not taken for nothing."""

import errno
import os
from pathlib import Path

import pytest

from pipeline import cli, disk
from pipeline.errors import guard
from pipeline.shards import RunFolder


def test_a_folder_that_may_not_be_listed_is_named(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.datasets / "plan").mkdir(parents=True)
    assert guard(cli.main, ["gc", str(run.path)]) == 0
    assert capsys.readouterr().out == "nothing to collect\n"
    names = disk.system.names

    def refuse(folder: Path) -> list[str]:
        if folder.name == "plan":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return names(folder)

    monkeypatch.setattr(disk.system, "names", refuse)
    assert guard(cli.main, ["gc", str(run.path)]) == 78
    said = capsys.readouterr()
    assert f"Permission denied: {run.datasets / 'plan'}: choose one that you may use" in said.err
    assert said.out == ""
