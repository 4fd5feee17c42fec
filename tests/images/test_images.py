"""The images: what they are built from, and that nothing else gets in."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipeline import config, live
from pipeline.argo_pod import METRICS_PORT
from pipeline.child import ENVIRONMENT
from pipeline.dag import dag

ROOT = Path(__file__).parents[2]
IMAGES = ("base", "torch", "editor", "train")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; (.+?))? \\$", re.M)


def dockerfile(image: str) -> list[str]:
    """The instructions, each on one line, without comments."""
    text = (ROOT / "images" / image / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def pins(lock: Path) -> dict[tuple[str, str], tuple[str, frozenset[str]]]:
    """Version and hashes by name and marker."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", lock.read_text()):
        if match := PIN.search(block):
            hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
            found[match[1], match[2]] = (match[3] or "", hashes)
    return found


@pytest.mark.parametrize("image", IMAGES)
def test_hadolint_has_nothing_to_say(image: str) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    path = ROOT / "images" / image / "Dockerfile"
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
    assert "hadolint ignore" not in path.read_text()


def test_hadolint_would_say_it(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM debian:latest\nRUN pip install torch\n")
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert done.returncode and {"DL3007", "DL3013"} <= set(re.findall(r"DL\d+", done.stdout))


@pytest.mark.parametrize("image", ["base", "editor", "train"])
def test_a_container_computes_as_a_process_on_a_laptop_does(image: str) -> None:
    (line,) = (line for line in dockerfile(image) if line.startswith("ENV"))
    given = dict(pair.split("=", 1) for pair in line.split()[1:])
    assert given.items() >= ENVIRONMENT.items()
    assert given[live.PORT] == str(METRICS_PORT), "its stages serve no metrics"
    written = ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")
    assert all(given[name].startswith("/tmp") for name in written), "the rest is read-only"


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_names_what_the_whole_environment_is_locked_to(image: str) -> None:
    """What the tests ran with is what the images hold."""
    root, own = pins(ROOT / "requirements.txt"), pins(ROOT / "images" / image / "requirements.txt")
    assert len(own) > 20
    for key, (_, hashes) in own.items():
        assert key in root, f"{key} is not what requirements.txt says: run `make lock`"
        assert hashes and hashes == root[key][1], key


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_holds_what_was_asked_for(image: str) -> None:
    locked = {f"{name}=={version}" for name, version in pins(
        ROOT / "images" / image / "requirements.txt")}  # fmt: skip
    text = (ROOT / "images" / image / "requirements.in").read_text()
    asked = [line for line in text.splitlines() if line and not line.startswith(("#", "-r"))]
    names = {pin.partition("==")[0] for pin in locked}
    assert asked
    for line in asked:
        assert line in (locked if "==" in line else names), f"{line}: run `make lock`"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_user_with_a_number_and_without_rights(image: str) -> None:
    users = [line.split()[1] for line in dockerfile(image) if line.startswith("USER ")]
    assert users[-1] == "10001:10001"
    assert not any(
        line.startswith(("ENTRYPOINT", "VOLUME", "EXPOSE")) for line in dockerfile(image)
    )
    (command,) = (line for line in dockerfile(image) if line.startswith("CMD "))
    assert json.loads(command.removeprefix("CMD "))[0] == "python"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_made_from_what_has_a_version(image: str) -> None:
    lines = dockerfile(image)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    argument, origin = lines[:2]
    name, default = argument.removeprefix("ARG ").split("=")
    assert origin == f"FROM ${{{name}}}"
    assert default == {"BASE": "docker.io/library/python:3.11-slim-bookworm",
                       "TORCH": f"palimpsest/torch:{version}"}[name]  # fmt: skip
    assert "latest" not in " ".join(lines)
    (install,) = (line for line in lines if "pip install" in line)
    assert {"--require-hashes", "--no-deps", "--no-cache-dir"} <= set(install.split())


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_what_it_is(image: str) -> None:
    (labels,) = (line for line in dockerfile(image) if line.startswith("LABEL "))
    found = dict(re.findall(r'org\.opencontainers\.image\.(\S+)="([^"]*)"', labels))
    assert found["title"] == f"palimpsest {image}" and found["licenses"] == "Apache-2.0"
    assert found["version"] == "${VERSION}" and found["revision"] == "${REVISION}"
    declared = {line.split()[1] for line in dockerfile(image) if line.startswith("ARG ")}
    assert {"VERSION", "REVISION", "SOURCE"} <= declared


def test_code_comes_last_so_that_a_change_of_ours_moves_no_library() -> None:
    for image in ("base", "editor", "train"):
        lines = dockerfile(image)
        install = next(i for i, line in enumerate(lines) if "pip install" in line)
        assert lines[install + 1] == "COPY . ."
    assert not any(line.startswith("COPY . ") for line in dockerfile("torch"))


def test_every_stage_of_every_profile_has_an_image() -> None:
    profiles = sorted((ROOT / "pipeline" / "profiles").glob("*.yaml"))
    used = {stage.image for path in profiles for stage in dag(config.load(str(path)))}
    assert used == {"base", "editor", "train"}
    for image in used:
        assert (ROOT / "images" / image / "Dockerfile").exists()


def context(paths: list[str]) -> set[str]:
    """Those paths that .dockerignore lets into a build, by its rules: the last that fits decides,
    and one for a folder is one for all in it."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    kept = set()
    for path in paths:
        parts = path.split("/")
        above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        inside = True
        for rule in rules:
            pattern = rule.removeprefix("!").removeprefix("**/")
            names = parts if "**/" in rule else [one for one in above if rule != "*"] or parts[:1]
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                inside = rule.startswith("!")
        if inside:
            kept.add(path)
    return kept


def test_only_what_runs_gets_into_an_image() -> None:
    known = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = known.stdout.splitlines()
    parts = ("images/", "jobs/", "pipeline/", "training/", "tests/data/photos/")
    wanted = {path for path in tracked if path.startswith(parts)} | {"LICENSE", "CREDITS.md"}
    strays = [".git/config", ".venv/bin/python", "runs/demo/report.html", ".env",
              "pipeline/__pycache__/a.pyc", "jobs/editors/__pycache__/b.pyc",
              "build/sbom/base.cdx.json"]  # fmt: skip
    assert context(tracked + strays) == wanted
    assert len(wanted) > 90


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="reads Debian's list of packages")
def test_the_bill_of_materials_is_valid_and_true() -> None:
    command = [sys.executable, str(ROOT / "images" / "sbom.py"), "base", "0.1.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout) is None
    found = {one["purl"] for one in json.loads(done.stdout)["components"]}
    ours = pins(ROOT / "images" / "base" / "requirements.txt")
    for name, version in [key for key in ours if key[0] in ("numpy", "pydantic-core", "pyarrow")]:
        assert f"pkg:pypi/{name}@{version}" in found
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in found)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == done.stdout
