"""Configs and other small files from anybody: accepted, or refused in a sentence, exit code 78."""

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import config, runs, strict
from pipeline.config import PROFILES
from pipeline.errors import PERMANENT, ConfigError, InputError, explain
from tests.faults import hostile
from tests.faults.counts import limit

ROOT = Path(__file__).parents[2]
SHIPPED = [path.read_text() for path in sorted(PROFILES.glob("*.yaml"))]
#: Bits of YAML to put anywhere.
PIECES = (
    "!!python/object/apply:os.system ['touch CANARY']", "!!int ''", "!!bool maybe", "!!float ''",
    "!!timestamp now", "!!binary é", "!!set {a, b}", "!!omap [a: 1]", "!new.object {}", "!<tag> x",
    "&a [*a]", "*nowhere", "<<: *a", "<<: {seed: 1}", "? [1]", "? {a: b}", "{", "}", "[", "]", ":",
    "- ", "|", ">", "%YAML 9.9", "%TAG ! x", "---", "...", "\t", "\0", "\x1b[2J", "\u202e",
    "\ufeff", "\ud7ff", "2026-13-45", "0001-01-01 00:00:00+23:59", "9" * 5000, "0x" + "f" * 5000,
    "1" + ":59" * 3000, "1e999", ".inf", ".nan", "-0", "~", "yes", "'", '"', "#", "seed: 1",
    "samples: -1", "samples: 100000000", "families: {../../x: 1}", "families: {os: 1}",
    "families: {__init__: 1}", "vlm: rules.os", "photos: /etc", "imported: {dataset: diffseg30k}",
    "detectors: {'$(touch CANARY)': {}}", "profile: '{{=sprig.env(\"HOME\")}}'", "[" * 500,
    "{a: " * 100, "- " * 300, "turns: {1: 1e308, 2: 1e308}", "quotas: {area_bounds: [0.1]}",
)  # fmt: skip


def fuzzed(draw: random.Random) -> bytes:
    text = draw.choice(SHIPPED)
    if draw.random() < 0.3:
        return hostile.broken(text.encode(), draw)
    lines = text.split("\n")
    for _ in range(draw.choice((1, 1, 2, 4))):
        at, piece = draw.randrange(len(lines)), draw.choice(PIECES)
        how = draw.randrange(6)
        if how == 0:
            lines.insert(at, piece)
        elif how == 1:
            lines[at] = lines[at].partition(":")[0] + ": " + piece
        elif how == 2:
            lines[at] = draw.choice(lines)
        elif how == 3:
            lines[at] = draw.choice((" ", "  ", "- ")) + lines[at]
        elif how == 4:
            lines.pop(at) if len(lines) > 1 else None
        else:
            cut = draw.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut] + piece + lines[at][cut:]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def refusal(path: Path) -> str:
    """Why the file is refused, "" if it is not; anything but a sentence with code 78 is raised."""
    try:
        found = config.load(str(path))
        assert config.parse(found.to_yaml(), "again") == found
    except ConfigError as error:
        code, sentence = explain(error)
        assert code == PERMANENT and str(path) in sentence and "\n" not in sentence
        assert len(sentence) < 2000
        return sentence
    return ""


@pytest.mark.slow
@pytest.mark.timeout(limit(900))
def test_a_broken_config_is_accepted_or_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[str], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    path, found, slowest = tmp_path / "my.yaml", Counter[str](), 0.0
    for case, draw in hostile.cases("configs"):
        path.write_bytes(fuzzed(draw))
        begun = time.process_time()
        try:
            sentence = refusal(path)
        except BaseException as error:
            raise AssertionError(case) from error
        slowest = max(slowest, time.process_time() - begun)
        found["refused" if sentence else "accepted"] += 1
    assert slowest < 5 and not (tmp_path / "CANARY").exists()
    assert found["refused"] > found.total() / 2 and found["accepted"] > found.total() / 50
    said(f"configs: {dict(found)}, slowest {slowest:.2f} s")


BOMBS = {
    "aliases": "a: &a [x]\n" + "".join(
        f"{y}: &{y} [{', '.join(['*' + x] * 9)}]\n" for x, y in zip("abcdefgh", "bcdefghi",
                                                                     strict=True)),
    "deep lists": "a: " + "[" * 100_000,
    "deep mappings": "a: " + "{a: " * 100_000,
    "deep blocks": "- " * 100_000,
    "a hundred thousand keys": "".join(f"k{i}: 1\n" for i in range(100_000)),
    "one key, ever again": "seed: 1\n" * 100_000,
    "a number of base sixty": "a: 1" + ":59" * 300_000,
    "a number of a million digits": "a: " + "9" * 1_000_000,
    "two mebibytes": "# " + "x" * (2 << 20),
    "a gibibyte": "",
}  # fmt: skip
CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from pipeline.cli import entry
sys.argv = ["palimpsest", "show", "--profile", sys.argv[1]]
sys.exit(entry())
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory_and_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    if name == "a gibibyte":
        with open(path, "wb") as file:
            file.truncate(1 << 30)
    else:
        path.write_text(BOMBS[name])
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True,
                          cwd=ROOT, check=False)  # fmt: skip
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.returncode == PERMANENT, done.stderr[-2000:]
    assert "Traceback" not in done.stderr and "bomb.yaml" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and took < 60


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice"),
        ("a: 1\nb: !!int ''", "line 2: a tag"),
        ("a: 1\nb: !x y", "line 2: a tag"),
        ("a: &a [x]\nb: [" + "*a, " * 65 + "]", "line 2: more than 64 aliases"),
        ("a: 1\nb: " + "[" * 21 + "]" * 21, "line 2: more than 20 levels"),
        ("a: 1\nb: " + "9" * 65, "line 2: a number of 65 letters"),
        ("a: 1\n? [b]\n: 2", "line 2: a list or a mapping as a key"),
        ("a: 1\nb: \0", "a character of line 2"),
        ("a: 1\nb: [", r"not valid YAML: .*\(line 2\)"),
    ],
)
def test_the_line_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        strict.mapping(text, "my.yaml")
    assert str(caught.value).startswith("my.yaml")


def test_quoted_words_and_a_few_aliases_are_no_crime() -> None:
    assert strict.mapping("a: &x 'yes'\nb: *x\nc: ! word", "my.yaml") == {
        "a": "yes", "b": "yes", "c": "word",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "7", "null", '{"config": ', "\xff", "[" * 100_000, '{"a":' * 100_000,
        '{"config": 1e999999999999}{', "NaN", '"' + "x" * 100, "{'a': 1}", "9" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_run_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text, "latin-1")
    with pytest.raises(InputError, match="run.json is damaged"):
        runs.begun(tmp_path)


def test_a_huge_run_json_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "run.json", "wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(InputError, match="run.json is damaged"):
        runs.begun(tmp_path)


@pytest.mark.parametrize("name", ["../evil", "os", "__init__", "rules.os", "weights", "a b", ""])
@pytest.mark.parametrize("key", ["families", "vlm", "segmenter", "detectors"])
def test_only_models_are_ever_imported(
    name: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.dag import checked

    monkeypatch.chdir(tmp_path)
    known = {"families": {"clone": 1}}
    known[key] = {"families": {name: 1}, "detectors": {name: {}}}.get(key, name)  # type: ignore[assignment]
    (tmp_path / "evil.py").write_text("open('CANARY', 'w')")
    with pytest.raises(ConfigError):
        checked(config.parse(json.dumps(known), "my.yaml"))
    assert not (tmp_path / "CANARY").exists() and os.getcwd() == str(tmp_path)
