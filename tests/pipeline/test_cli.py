"""The command line answers at once: no torch, no numpy, little more than what it must import."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPY = """
import atexit, sys
HEAVY = ("torch", "diffusers", "transformers", "numpy")
atexit.register(lambda: sys.stderr.write("HEAVY " + ",".join(set(HEAVY) & set(sys.modules))))
from pipeline.cli import entry
entry()
"""
#: What every command that reads a profile must import. How long that takes is the measure: a limit
#: in seconds would say as much of the machine as of the program.
LEAST = "import sys; import pydantic.main, yaml; sys.stderr.write('HEAVY ')"
#: A command may cost as many times the least. Measured, with busy processes beside it too: `--help`
#: under 1, `show` and an audit about 3, at most 3.6 of eighty times.
TIMES = 6


def call(*args: str, code: str = SPY) -> tuple[subprocess.CompletedProcess[str], float]:
    """The finished process, and the CPU seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def quick(*args: str) -> subprocess.CompletedProcess[str]:
    """What it answered, at once. The least of three tries each, by turns."""
    tries = [(call(*args), call(code=LEAST)) for _ in range(3)]
    ours, least = (min(seconds for _, seconds in column) for column in zip(*tries, strict=True))
    assert all(done.stderr.endswith("HEAVY ") for pair in tries for done, _ in pair)
    assert ours < TIMES * least, f"{ours:.2f} CPU s, {ours / least:.1f} times the least"
    return tries[0][0][0]


@pytest.mark.parametrize(
    "args",
    [("--help",), ("show",), ("show", "--mermaid"), *(
        (command, "--help") for command in ("import", "predict", "export", "browse", "report"))],
)  # fmt: skip
def test_it_answers_at_once(args: tuple[str, ...]) -> None:
    done = quick(*args)
    assert done.returncode == 0 and done.stderr == "HEAVY "


def test_audit_of_a_folder_that_is_no_run(tmp_path: Path) -> None:
    done = quick("audit", str(tmp_path))
    assert done.returncode == 78 and "is not a run: it has no config.yaml" in done.stderr


def test_audit_of_a_run_not_begun_yet(tmp_path: Path) -> None:
    from pipeline import config

    (tmp_path / "config.yaml").write_text(config.load("demo").to_yaml())
    done = quick("audit", "--json", str(tmp_path))
    assert done.returncode == 75 and done.stderr == "HEAVY "
    assert len(json.loads(done.stdout)["missing"]) > 100


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("show", "--profile", "dmeo"), "no profile 'dmeo': give one of demo, one-family, paper"),
        (("run", "--photos", "/nowhere"), "no folder of photographs at /nowhere"),
        (
            ("import", "diffseg30k", "/nowhere"),
            "no archive at /nowhere: give the path of a downloaded one, or --hub",
        ),
        (
            ("import", "diffseg30k", "/", "--profile", "demo"),
            "the profile imports nothing: it needs the section imported",
        ),
        (("predict", "/nowhere", str(ROOT / "LICENSE")), "/nowhere is no model: give RUN:TRIAL"),
        (("predict", "x.safetensors", "/nowhere"), "no picture and no folder at /nowhere"),
        (("export", "x.safetensors", "--onnx", "x.onnx"), "no file x.safetensors: a model is a"),
        (("browse", "/nowhere"), "/nowhere is not a run: there is no such folder: give the folder"),
        (("report", "/"), "/ is not a run: it has no config.yaml: give the folder that"),
        (("verify", "/nowhere"), "/nowhere is not a run: there is no such folder: give the folder"),
        (("gc", str(ROOT / "LICENSE")), "LICENSE is not a run: there is no such folder: give the"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(args: tuple[str, ...], says: str) -> None:
    done, _ = call(*args)
    assert done.returncode == 78
    assert done.stderr.startswith("palimpsest: ") and says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("families: {sdlx: 1}", "families: no editor 'sdlx': did you mean 'sdxl'?"),
        ("families: {clone: 1}\nvlm: qwen", "vlm: no vlm 'qwen': did you mean 'qwen25vl'?"),
        ("families: {clone: 1}\ndetectors: {unet: {}}", "detectors: no detector 'unet': known are"),
        ("families: {clone: 1}\nturns: {4: 1}", "turns: the numbers of turns may be 1, 2 and 3"),
    ],
)
@pytest.mark.parametrize("command", ["show", "run"])
def test_a_wrong_profile_gets_the_same_sentence_everywhere(
    command: str, profile: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "my.yaml").write_text(profile)
    where = ["--out", str(tmp_path / "run")] if command == "run" else []
    done, _ = call(command, "--profile", str(tmp_path / "my.yaml"), *where)
    sentence = done.stderr.removesuffix("HEAVY " + done.stderr.rpartition("HEAVY ")[2])
    assert done.returncode == 78 and sentence.count("\n") == 1
    assert sentence.startswith("palimpsest: ") and says in sentence
    assert not (tmp_path / "run").exists()


def test_what_is_imported_by_itself_is_a_sound_run() -> None:
    """The settings that `import` begins with: all tables that the published pairs allow."""
    done, _ = call("show", "--profile", str(ROOT / "jobs" / "diffseg30k.yaml"))
    names = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert done.returncode == 0 and names[:4] == [
        "ingest", "assemble-train", "assemble-val", "assemble-filtered"]  # fmt: skip
    tables = {name.split("-")[1] for name in names if name.startswith("evaluate-")}
    assert tables == {"table2", "table3", "severity", "table5", "turns"}


def test_wrong_usage_ends_as_usage_does() -> None:
    """By hand, not in a pod: the usual 2 and the usual usage line."""
    done, _ = call("show", "--profil")
    assert done.returncode == 2 and done.stderr.startswith("usage: palimpsest show")
