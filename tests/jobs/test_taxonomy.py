"""Names fall under the categories of the paper's Figure 3."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs import taxonomy
from jobs.colours import NAMES
from jobs.taxonomy import CATEGORIES, category

TABLE = yaml.safe_load((Path(taxonomy.__file__).parent / "taxonomy.yaml").read_text())


@pytest.mark.parametrize(
    ("name", "supercategory", "wanted"),
    [
        ("person", "person", "humans"),
        ("Old Woman", "", "humans"),
        ("dog", "animal", "animals"),
        ("hot dog", "food", "food"),
        ("Hot-Dog", "", "food"),
        ("hot  dog", "", "food"),
        ("traffic light", "outdoor", "signs"),
        ("dining table", "furniture", "furniture"),
        ("potted plant", "furniture", "furniture"),
        ("potted plant", "", "nature scenery"),
        ("school bus", "", "vehicles"),
        ("gizmo", "vehicle", "vehicles"),
        ("gizmo", "electronic", "other"),
        ("gizmo", "", "other"),
        ("", "", "other"),
        ("green area", "", "nature scenery"),
        ("orange", "", "food"),
    ],
)
def test_a_name_has_its_category(name: str, supercategory: str, wanted: str) -> None:
    assert category(name, supercategory) == wanted


@pytest.mark.parametrize("colour", NAMES)
def test_an_area_of_a_colour_is_scenery_or_nothing_in_particular(colour: str) -> None:
    scenery = colour in ("green", "blue")
    assert category(f"{colour} area") == ("nature scenery" if scenery else "other")


def test_the_table_has_the_categories_and_no_word_twice() -> None:
    assert set(TABLE) == set(CATEGORIES)
    words = Counter(word for words in TABLE.values() for word in words)
    assert [word for word, count in words.items() if count > 1] == []
    assert all(word == word.lower().strip() for word in words)


@given(st.text(max_size=20), st.text(max_size=10))
def test_any_text_falls_under_some_category(name: str, supercategory: str) -> None:
    assert category(name, supercategory) in CATEGORIES
