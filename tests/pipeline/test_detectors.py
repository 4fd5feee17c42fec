"""Detectors may change while the dataset stands; what others made is never taken for theirs."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import audit, config, dag, runs
from pipeline.config import Config, Detector
from pipeline.errors import ConfigError, InputError
from pipeline.loop import facts
from pipeline.shards import RunFolder
from pipeline.stage import context
from pipeline.writer import Writer

DATA = Path(__file__).parent.parent / "data"
BEFORE = {"deeplabv3plus": Detector(tasks=("binary",))}
TRAINED = ["train-deeplabv3plus-binary", "evaluate-table2-deeplabv3plus-binary"]


@pytest.fixture
def begun(standin: Config, tmp_path: Path) -> RunFolder:
    """A run in which the photographs and all that follows from the detectors are committed."""
    standin = standin.model_copy(update={"detectors": BEFORE})
    chosen, run = runs.begin(standin, DATA / "photos", tmp_path / "run")
    for stage in dag.dag(chosen):
        if stage.name in ("ingest", *TRAINED, "report"):
            here = context(stage.module, stage.argv(run.path))
            with Writer(run, stage.name, 0) as writer:
                writer.commit([], [], {}, facts(here, ""), {})
    return run


def with_detectors(run: RunFolder, **detectors: Detector) -> Config:
    return config.read(run.path / "config.yaml").model_copy(update={"detectors": detectors})


def faults(run: RunFolder) -> list[str]:
    return [what for what in audit.audit(run.path).faults if "another config" in what]


def test_the_dataset_does_not_depend_on_the_detectors(standin: Config) -> None:
    other = standin.model_copy(update={"detectors": BEFORE})
    assert standin.digest() == other.digest()
    stages = {stage.name: stage.trained for stage in dag.dag(other)}
    assert {name for name, trained in stages.items() if trained} == {*TRAINED, "report"}
    assert other.digest(stages["report"]) != other.digest()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"steps": 7}, False),
        ({"learning_rate": 0.5}, False),
        ({"device": "cpu"}, False),
        ({"checkpoint_every": 7}, True),
        ({"tasks": ("binary", "semantic")}, True),
    ],
)
def test_a_detectors_digest_is_of_what_changes_its_weights(
    standin: Config, change: dict[str, Any], same: bool
) -> None:
    before, after = Detector(tasks=("binary",)), Detector(**({"tasks": ("binary",)} | change))
    digests = {
        standin.model_copy(update={"detectors": {"a": one}}).digest([("a", "binary")])
        for one in (before, after)
    }
    assert (len(digests) == 1) is same


def test_what_stands_was_made_with_this_config(begun: RunFolder) -> None:
    assert faults(begun) == []
    runs.begin(with_detectors(begun, **BEFORE), DATA / "photos", begun.path)


@pytest.mark.parametrize(
    ("detectors", "stale"),
    [
        ({"deeplabv3plus": Detector(tasks=("binary",), steps=7)}, [*TRAINED, "report"]),
        ({"deeplabv3plus": Detector(tasks=("binary", "semantic"))}, ["report"]),
        ({}, ["report"]),
    ],
)
def test_other_detectors_need_the_old_ones_out_of_the_way(
    begun: RunFolder, detectors: dict[str, Detector], stale: list[str]
) -> None:
    other, before = with_detectors(begun, **detectors), (begun.path / "config.yaml").read_bytes()
    with pytest.raises(InputError, match=f"holds {', '.join(stale)} made with.*the dataset stays"):
        runs.begin(other, DATA / "photos", begun.path)
    assert (begun.path / "config.yaml").read_bytes() == before
    for name in stale:
        shutil.rmtree(begun.datasets / name)
    runs.begin(other, DATA / "photos", begun.path)
    assert begun.committed("ingest", 0) and faults(begun) == []


def test_an_audit_sees_what_other_detectors_made(begun: RunFolder) -> None:
    other = with_detectors(begun, deeplabv3plus=Detector(tasks=("binary",), steps=7))
    (begun.path / "config.yaml").write_text(other.to_yaml())
    assert [what.split()[0] for what in faults(begun)] == [*TRAINED, "report"]


@pytest.mark.parametrize("name", ["deeplabv3", "torch.nn", "../x", "__init__", "class", ""])
def test_a_detector_that_is_none_is_found_before_anything_is_painted(
    standin: Config, name: str
) -> None:
    wrong = standin.model_copy(update={"detectors": {name: Detector()}})
    with pytest.raises(ConfigError, match=r"^detectors: no detector '.*known are .*deeplabv3plus"):
        dag.checked(wrong)


def test_the_nearest_detector_is_named(standin: Config) -> None:
    wrong = standin.model_copy(update={"detectors": {"deeplabv3": Detector()}})
    with pytest.raises(ConfigError, match=r"did you mean 'deeplabv3plus'\?"):
        dag.checked(wrong)


@pytest.fixture
def parsed() -> Callable[[str], Config]:
    head = "families: {clone: 1}\ndetectors:\n  deeplabv3plus: "
    return lambda section: config.parse(head + section, "my.yaml")


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("{batch: 5, processes: 2}", "batch 5 cannot be shared equally by 2 processes"),
        ("{dtype: bfloat16, device: cpu}", "dtype bfloat16 is tens of times slower"),
    ],
)
def test_settings_must_suit_each_other(
    parsed: Callable[[str], Config], section: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=f"^my.yaml: detectors.deeplabv3plus: {says}"):
        parsed(section)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", "mps", "cpu\n", ""])
def test_a_device_is_cpu_or_cuda(parsed: Callable[[str], Config], device: str) -> None:
    with pytest.raises(ConfigError, match=r"detectors.deeplabv3plus.device: .* is no device"):
        parsed(f"{{device: {device!r}}}" if "\n" not in device else '{device: "cpu\\n"}')
    assert parsed("{device: cuda:1}").detectors["deeplabv3plus"].device == "cuda:1"
