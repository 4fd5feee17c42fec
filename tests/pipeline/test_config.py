"""One file, strict: what is wrong is named, with the nearest right thing."""

import pytest

from pipeline import config
from pipeline.config import Config
from pipeline.errors import ConfigError

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
    assert paper.detectors["deeplabv3plus"].encoder == "resnet50"


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
    ],
)
def test_a_wrong_key_or_value_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        config.parse(FAMILIES + text, "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")
    assert caught.value.code == 78


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed: 1\nseed: 2\n", "key 'seed' stands twice"),
        ("- a list", "expected keys and values, found list"),
        ("a: [", "is not YAML"),
        ("a: !!python/object/apply:os.system [true]", "is not YAML"),
        ("families: {sd2: 1, sdxl: 1}", "label of its own"),
        ("seed: 1", "families"),
    ],
)
def test_a_wrong_file_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config.parse(text, "my.yaml")


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no profile 'dmeo': give one of demo, paper"):
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
