"""One file, strict: what is wrong is named, with the nearest right thing."""

from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.protocols import PROTOCOLS
from pipeline.stage import read_run

FAMILIES = "families: {clone: 1, heal: 2}\n"


@pytest.mark.parametrize("name", ["demo", "paper"])
def test_shipped_profiles_load_and_survive_a_round_trip(name: str) -> None:
    loaded = config.load(name)
    again = config.parse(loaded.to_yaml(), "again")
    assert again == loaded and again.digest() == loaded.digest()


def test_the_paper_profile_is_the_papers() -> None:
    paper = config.load("paper")
    assert paper.turns == {1: 1.0, 2: 4.0, 3: 5.0}
    assert (paper.bases.resolution, paper.bases.ai_share, paper.val_share) == (1024, 0.5, 0.2)
    assert (paper.regions.duplicate_iou, paper.keep_score) == (0.7, 3)
    assert list(paper.families.values()) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (paper.reals.unedited, paper.reals.negatives) == (5000, 30_000)
    assert {one.recipe for one in paper.detectors.values()} == {"paper"}
    assert set(paper.protocols) == set(PROTOCOLS) and len(paper.holdouts) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sampels: 3", r"unknown key 'sampels'; did you mean 'samples'\?"),
        ("editing: {stpes: 4}", r"unknown key 'editing.stpes'; did you mean 'steps'\?"),
        ("detectors: {a: {sise: 4}}", r"unknown key 'detectors.a.sise'; did you mean 'size'\?"),
        ("zzz: 1", r"unknown key 'zzz'; valid keys here: .*samples"),
        ("samples: many", "samples: Input should be a valid integer"),
        ("turns: {1: 0}", "positive sum"),
        ("turns: {4: 1}", "may be 1, 2 and 3"),
        ("bases: {ai_share: 2}", "bases.ai_share"),
        ("turns: {1: .inf}", "turns.1: Input should be a finite number"),
        ("turns: {1: .nan, 2: 1}", "turns.1: Input should be a finite number"),
        ("turns: {1: 1.0e+308, 2: 1.0e+308}", "turns: needs weights .* positive sum"),
        ("turns: {one: 1}", "turns.one: Input should be a valid integer"),
        ("edit_types: {addition: .inf}", "edit_types.addition: Input should be a finite"),
        ("edit_types: {painting: 1}", "edit_types.painting: Input should be 'attribute'"),
        ("editing: {guidance: .nan}", "editing.guidance: Input should be a finite number"),
        ("editing: {device: gpu}", "editing.device: 'gpu' is no device: give cpu, cuda or one"),
        ("regions: {min_area: 0.8}", "regions: min_area 0.8 must be below max_area 0.7"),
        ("regions: {min_area: 0.7}", "regions: min_area 0.7 must be below max_area 0.7"),
        ("seed: 9223372036854775808", "seed: Input should be less than 9223372036854775808"),
        ("samples: 100000001", "samples: Input should be less than or equal to 100000000"),
        ("editing: {device: [gpu]}", "editing.device: Input should be a valid string"),
        ("local: {wrokers: 1}", r"unknown key 'local.wrokers'; did you mean 'workers'\?"),
        ("? [1, 2]\n: 3", "line 2: a list or a mapping as a key"),
        ("3: 4", "3: Keys should be strings"),
    ],
)
def test_a_wrong_key_or_value_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        config.parse(FAMILIES + text, "my.yaml")
    assert str(caught.value).startswith("my.yaml")
    assert "Value error" not in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.code == 78


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed: 1\nseed: 2\n", "line 2: the key 'seed' stands twice"),
        ("- a list", "expected keys and values, found list"),
        ("a: [", "is not valid YAML"),
        ("a: !!python/object/apply:os.system [true]", "line 1: a tag, .*os.system"),
        ("families: {sd2: 1, sdxl: 1}", "label of its own"),
        ("seed: 1", "families"),
        ("profile: 2026-13-45", "is not valid YAML: month must be in 1..12"),
        ("a: " + "[" * 3000 + "]" * 3000, "line 1: more than 20 levels"),
        ("families: {clone: 1}\nturns: &a {1: *a}", "turns.1: Input should be a valid number"),
        ("a: \x00", "is not valid YAML"),
        ("", "expected keys and values, found NoneType"),
    ],
)
def test_a_wrong_file_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config.parse(text, "my.yaml")


def test_aliases_cannot_blow_up() -> None:
    """Ten lists, each of ten of the last: ten thousand million entries, were they ever copied."""
    lists = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 10)}]\n" for i in range(1, 11))
    with pytest.raises(ConfigError, match="more than 64 aliases"):
        config.parse(FAMILIES + "x0: &x0 [lol]\n" + lists + "samples: *x10\n", "my.yaml")
    few = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 6)}]\n" for i in range(1, 11))
    with pytest.raises(ConfigError, match="samples: Input should be a valid integer"):
        config.parse(FAMILIES + "x0: &x0 [lol]\n" + few + "samples: *x10\n", "my.yaml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"profile: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"config.yaml is not UTF-8 text \(byte 12\)"):
        config.load(str(tmp_path / "config.yaml"))
    with pytest.raises(ConfigError, match=r"config.yaml is not UTF-8 text \(byte 12\)"):
        read_run(tmp_path)


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path} is a folder: give a YAML file"):
        config.load(str(tmp_path))


def test_an_unknown_profile_lists_the_known_ones() -> None:
    known = "demo, one-family, paper, tables-demo, tiny-real"
    with pytest.raises(ConfigError, match=f"no profile 'dmeo': give one of {known}"):
        config.load("dmeo")


def test_the_digest_is_of_what_changes_results() -> None:
    base = config.load("demo")
    elsewhere = base.model_copy(update={"photos": "/elsewhere", "local": config.Local(workers=7)})
    assert elsewhere.digest() == base.digest()
    assert base.model_copy(update={"seed": 31}).digest() != base.digest()


def test_shards_and_keys_cover_all_samples_once() -> None:
    chosen: Config = config.parse(FAMILIES + "samples: 21\nshard_size: 8", "x")
    keys = [key for shard in range(chosen.shards) for key in chosen.keys(shard)]
    assert keys == [f"{i:08d}" for i in range(21)]
