"""What durability rests on, where the file system refuses, lies or breaks half-way."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline import disk


def refuse(code: int) -> Any:
    def link(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return link


@pytest.mark.parametrize("code", sorted(disk.NO_LINKS))
def test_without_links_the_first_writer_wins_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "link", refuse(code))
    disk.link_once(tmp_path / "a", b"first")
    disk.link_once(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOSPC, errno.EACCES])
def test_an_error_that_left_nothing_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "link", refuse(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        disk.link_once(tmp_path / "a", b"first")
    assert list(tmp_path.iterdir()) == []


def test_an_error_after_success_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of an NFS server whose first answer was lost."""
    link = os.link

    def lie(source: Path, target: Path) -> None:
        link(source, target)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", lie)
    disk.link_once(tmp_path / "a", b"first")
    assert (tmp_path / "a").read_bytes() == b"first"


def test_a_torn_file_does_not_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after the file was created and before it has its bytes."""
    sync, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:  # the first is that of the file written aside
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        disk.link_once(tmp_path / "a", b"first")
    assert caught.value.filename == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_held_as_long_as_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with open(path, "xb") as file:
        assert not disk.held(path)
        disk.hold(file)
        assert disk.held(path)
    assert not disk.held(path)


def test_what_is_held_is_not_discarded(tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = disk.create_held(path)
    disk.system.discard(path)
    assert path.exists()
    os.close(file)
    disk.system.discard(path)
    assert not path.exists()
    disk.system.discard(path)  # nor is it missed


def test_a_file_that_is_discarded_before_it_is_held_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, hold, tries = tmp_path / "a", disk.hold, []

    def late(file: int) -> None:
        tries.append(file)
        if len(tries) < 3:
            disk.system.discard(path)
        hold(file)

    monkeypatch.setattr(disk, "hold", late)
    file = disk.create_held(path)
    assert len(tries) == 3 and disk.held(path)
    assert os.fstat(file).st_ino == path.stat().st_ino
    os.close(file)


def test_where_there_are_no_locks_nothing_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.fcntl, "flock", refuse(errno.ENOTSUP))
    with open(tmp_path / "a", "xb") as file:
        disk.hold(file)
        assert not disk.held(tmp_path / "a")
    disk.system.discard(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_the_name_written_aside_tells_its_target(tmp_path: Path) -> None:
    aside = disk.write_aside(tmp_path / "run.json", b"x")
    assert disk.aside_of(aside.name) == "run.json"
    for name in ("run.json", ".run.json", ".run.json.swp", aside.name[:-1], f"{aside.name}.bak"):
        assert disk.aside_of(name) == ""
