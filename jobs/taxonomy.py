"""From an object's name to one of the eight categories of the paper's Figure 3.

The paper does not publish its mapping; ours is the table in taxonomy.yaml, which is matched word by
word, then by COCO's supercategory.
"""

from functools import cache
from pathlib import Path

import yaml

CATEGORIES = (
    "food", "vehicles", "furniture", "nature scenery", "animals", "humans", "signs", "other",
)  # fmt: skip


@cache
def _table() -> dict[str, str]:
    text = (Path(__file__).parent / "taxonomy.yaml").read_text()
    return {word: name for name, words in yaml.safe_load(text).items() for word in words}


def category(name: str, supercategory: str = "") -> str:
    """The category of an object called `name`."""
    if supercategory in CATEGORIES:
        return supercategory
    table = _table()
    words = name.lower().replace("-", " ").split()
    for word in [" ".join(words), *reversed(words), supercategory.lower()]:
        if word in table:
            return table[word]
    return "other"
