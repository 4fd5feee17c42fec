"""Each check passes where a run can work, and fails with the way out where it cannot."""

import argparse
import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from pipeline import cards, config, disk, doctor, doctor_disk, errors

NO_ONE = 65534


def run(**given: Any) -> int:
    asked = {
        "data": None,
        "models": None,
        "profile": None,
        "gpu": False,
        "port": None,
        "json": False,
    } | given
    return doctor.main(argparse.Namespace(**asked))


def test_a_laptop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run() == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["ok"] * 7 + ["info", "all"]
    assert "first writer wins: by hard link" in out and "GiB are free" in out
    assert list(tmp_path.iterdir()) == []


def test_a_pod(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "models" / "sdxl").mkdir(parents=True)
    with socket.socket() as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]
    assert run(data=tmp_path / "data", models=tmp_path / "models", port=port) == 0
    out = capsys.readouterr().out
    assert f"ok    {tmp_path}/models: readable: 1 entries" in out
    assert f"ok    port {port}: metrics can be served" in out


def test_a_claim_that_is_not_mounted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data=tmp_path / "data", models=tmp_path / "models", port=1 << 20) == 78
    said = capsys.readouterr()
    assert f"FAIL  {tmp_path}/data: writable: there is no folder {tmp_path}/data: make" in said.out
    assert f"there is no folder {tmp_path}/models: mount the models' claim" in said.out
    assert said.err == "palimpsest: 3 of 3 checks failed\n"
    assert not (tmp_path / "data").exists(), "what is not there is not made"


@pytest.mark.parametrize("what", ["a file", "a link to nowhere", "a circle of links"])
def test_what_is_no_folder_is_one_sentence(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    if what == "a file":
        data.write_text("no folder")
    else:
        data.symlink_to(tmp_path / ("nowhere" if what == "a link to nowhere" else "data"))
    assert run(data=data, port=1 << 20, json=True) == 78
    found = doctor.Diagnosis.model_validate_json(capsys.readouterr().out)
    disk, port = found.checks
    assert disk.name == f"{data}: writable" and port.name == "port 1048576"
    assert {"a file": f"{data} is a file: give a folder with --data",
            "a link to nowhere": f"there is no folder {data}: make it",
            "a circle of links": "choose a path whose links do not lead in a circle",
            }[what] in disk.said  # fmt: skip


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become someone else")
def test_a_claim_of_someone_else(tmp_path: Path) -> None:
    os.seteuid(NO_ONE)
    try:
        with pytest.raises(errors.PermanentError, match=f"uid {NO_ONE} may not write here: give"):
            doctor_disk.writable(tmp_path / "ours")
    finally:
        os.seteuid(0)


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    assert doctor_disk.first_wins(tmp_path) == (
        "by O_EXCL, as there are no hard links here: a little slower"
    )


def test_a_file_system_where_the_last_writer_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "link_once", disk.replace)
    with pytest.raises(errors.PermanentError, match="a second writer overwrote a committed file"):
        doctor_disk.first_wins(tmp_path)


def test_a_rename_that_leaves_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.os, "replace", lambda source, target: target.write_bytes(b"first"))
    with pytest.raises(errors.PermanentError, match="the file system is not POSIX"):
        doctor_disk.renames(tmp_path)


def test_locks_that_no_other_process_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.replace(tmp_path / "ours", b"second")
    assert doctor_disk.others(tmp_path) == "see each other's files and locks"
    monkeypatch.setattr(disk, "hold", lambda file: None)
    assert doctor_disk.others(tmp_path).startswith("see each other's files; there are no locks")


def test_a_process_that_reads_an_old_file(tmp_path: Path) -> None:
    disk.replace(tmp_path / "ours", b"stale")
    with pytest.raises(errors.PermanentError, match="a second process read an old file"):
        doctor_disk.others(tmp_path)


def test_no_room_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor_disk, "MINIMUM_FREE", 2**70)
    monkeypatch.chdir(tmp_path)
    assert run() == 75
    assert "FAIL  .: free space: " in capsys.readouterr().out


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        with pytest.raises(errors.PermanentError, match="in use.*choose another with --port"):
            doctor.free_port(taken.getsockname()[1])


def test_models_of_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data=tmp_path, models=tmp_path, profile="paper", port=1 << 20) == 78
    out = capsys.readouterr().out
    assert "FAIL  models of sdxl: " in out and "let a run fetch it, or download it there" in out
    assert "FAIL  port 1048576: metrics cannot be served here" in out
    assert run(data=tmp_path, models=tmp_path, profile="demo", port=0) in (0, 78)
    assert "ok    models of sdxl: made when they are needed" in capsys.readouterr().out


PROFILE = """
profile: mine
families: {sdxl: 1, heal: 2}
vlm: qwen25vl
segmenter: grounded_sam
replays: {sdxl_lora: sdxl}
editing: {weights: local}
detectors: {segformer: {tasks: [image]}, deeplabv3plus: {pretrained: false}}
"""


@pytest.mark.parametrize("missing", [None, "sdxl_lora", "qwen25vl", "grounded_sam", "segformer"])
def test_all_models_of_a_config_are_looked_for(
    missing: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that paint, look, cut out, paint again, and what detectors begin with."""
    (tmp_path / "mine.yaml").write_text(PROFILE)
    used = list(cards.used(config.load(str(tmp_path / "mine.yaml"))))
    assert [name for _, name, _ in used] == [
        "sdxl", "sdxl_lora", "qwen25vl", "grounded_sam", "segformer"]  # fmt: skip
    gone = [facts.folders(tmp_path)[-1] for _, name, facts in used if name == missing]
    for folder in {one for _, _, facts in used for one in facts.folders(tmp_path)} - {*gone}:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
    code = run(data=tmp_path, models=tmp_path, profile=str(tmp_path / "mine.yaml"), json=True)
    found = doctor.Diagnosis.model_validate_json(capsys.readouterr().out)
    said = {one.name.removeprefix("models of "): one for one in found.checks
            if one.name.startswith("models of ")}  # fmt: skip
    assert list(said) == [name for _, name, _ in used]
    assert [name for name, one in said.items() if one.exit_code] == ([missing] if missing else [])
    if missing:
        assert code == found.exit_code == 78 and f"is not in {gone[0]}: " in said[missing].said


def test_tiny_weights_are_made_but_encoders_are_never_tiny(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(PROFILE.replace("local", "tiny"))
    run(data=tmp_path, models=tmp_path, profile=str(tmp_path / "mine.yaml"))
    lines = [line for line in capsys.readouterr().out.splitlines() if " models of " in line]
    *made, encoder = lines
    assert len(made) == 4 and all(line.endswith(": made when they are needed") for line in made)
    assert encoder.startswith("FAIL  models of segformer: ")


def test_a_profile_that_cannot_be_used_is_one_failed_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data=tmp_path, profile="dmeo", port=1 << 20, json=True) == 78
    found = doctor.Diagnosis.model_validate_json(capsys.readouterr().out)
    (said,) = [one for one in found.checks if one.name == "profile dmeo"]
    assert said.exit_code == 78 and said.said.startswith("no profile 'dmeo': give one of ")


def smi(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(tmp_path, monkeypatch, "exit 9")
    monkeypatch.setattr(doctor.Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(errors.PermanentError, match="none is visible: in a pod ask for nvidia"):
        doctor.gpu()


@pytest.mark.parametrize(
    ("torch", "says"),
    [
        ("print('1 12.8')", "NVIDIA H200, 143771 MiB, 590.1; torch sees 1, CUDA 12.8"),
        ("raise ModuleNotFoundError(\"No module named 'torch'\")", "torch is not installed here"),
    ],
)
def test_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: str, says: str) -> None:
    smi(tmp_path, monkeypatch, "echo NVIDIA H200, 143771 MiB, 590.1")
    monkeypatch.setattr(doctor, "CUDA", torch)
    assert says in doctor.gpu()


def test_a_gpu_that_torch_cannot_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(tmp_path, monkeypatch, "echo Old GPU")
    monkeypatch.setattr(doctor, "CUDA", "print('0 12.8')")
    with pytest.raises(errors.PermanentError, match=r"Old GPU is there, but torch \(CUDA 12.8\)"):
        doctor.gpu()


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data=tmp_path / "gone", port=1, json=True) == 78
    found = doctor.Diagnosis.model_validate_json(capsys.readouterr().out)
    assert found.exit_code == 78 and found.checks[0].said.startswith("there is no folder")


def test_names_that_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "read", lambda path: b"lower")
    with pytest.raises(errors.PermanentError, match="differ in case are one file"):
        doctor_disk.case(tmp_path)


def test_a_clock_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_disk.clock(tmp_path) == "within 1 s of this machine's"
    now = doctor_disk.time.time()
    monkeypatch.setattr(doctor_disk.time, "time", lambda: now + 4000)
    with pytest.raises(errors.PermanentError, match="clock is 4000 s apart"):
        doctor_disk.clock(tmp_path)
