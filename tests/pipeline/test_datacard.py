"""The dataset's README: true, complete, and plain text whatever it is given."""

import re
from typing import Any

import pytest
import yaml

from pipeline import codecs, datacard, edits
from pipeline.documents import Credit, IndexFacts
from pipeline.records import Assembled

NASTY = "a|b\n# `x` <script> [l](http://x) $y$ \\"


def facts(**changes: Any) -> IndexFacts:
    known = {
        "digest": "d1e5", "shards": {}, "samples": {"train": 1200, "val": 30, "filtered": 2},
        "profile": "mine", "weights": "local", "labels": {"clone": 1, "heal": 2}, "planned": 1240,
        "declined": {"missing-file": 8, "low-score": 2}, "config": {},
        "sources": (
            {"file": "a.jpg", "licence": "CC BY 2.0", "author": "Ann", "samples": 1300,
             "url": "https://e.org/a_b_c"},
            {"file": "b.jpg", "samples": 2},
        ),
    }  # fmt: skip
    return IndexFacts.model_validate(known | changes)


def head(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def tables(text: str) -> list[list[str]]:
    """Every table line as its cells, split where Markdown would."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line[:1] == "|"]


def test_the_head_is_what_a_hub_reads() -> None:
    found = head(datacard.readme(facts()))
    assert found["license"] == "other" and found["size_categories"] == ["1K<n<10K"]
    assert found["licenses_of_sources"] == ["CC BY 2.0", "not stated"]
    samples, rows = found["configs"]
    assert [one["path"] for one in samples["data_files"]] == [
        "train-*.tar", "val-*.tar", "filtered-*.tar",
    ]  # fmt: skip
    assert rows["data_files"] == "edits.parquet"


def test_splits_without_samples_are_left_out() -> None:
    text = datacard.readme(facts(samples={"train": 3, "val": 0, "filtered": 0}))
    assert [one["split"] for one in head(text)["configs"][0]["data_files"]] == ["train"]
    assert "val-*" not in text and "filtered-*" not in text


def test_splits_labels_members_columns_and_credits_are_told() -> None:
    rows = [[cell.strip() for cell in row] for row in tables(datacard.readme(facts()))]
    assert ["`train-*.tar`", "1,200", "to train with"] in rows
    assert ["1", "clone", "clone stamp"] in [row[:3] for row in rows]
    assert ["a.jpg", "Ann", "CC BY 2.0", "<https://e.org/a_b_c>", "1,300"] in rows
    assert ["b.jpg", "not stated", "not stated", "", "2"] in rows
    for name, (kind, said) in edits.COLUMNS.items():
        assert [f"`{name}`", f"`{kind}`", said] in rows
    assert "8 missing-file, 2 low-score" in datacard.readme(facts())


def test_photographs_that_nobody_edited_are_told_where_there_are_any() -> None:
    bare = datacard.readme(facts())
    assert "reals" not in bare and "nobody edited" not in bare
    text = datacard.readme(facts(reals={"unedited-train": 5000, "negative-val": 60}))
    rows = [[cell.strip() for cell in row] for row in tables(text)]
    assert ["`unedited`", "train", "5,000", "to train segmentation with"] in rows
    assert ["`negative`", "val", "60", "the other class of whole pictures"] in rows
    assert "`reals-*.tar` holds 5,060 photographs that nobody edited" in text
    assert "then painted over, but for those of `reals-*.tar`." in text
    assert ["file", "author", "licence", "published at", "pictures"] in rows
    configs = {one["config_name"]: one["data_files"] for one in head(text)["configs"]}
    assert configs["reals"] == "reals-*.tar" and len(configs["samples"]) == 3


def test_the_members_are_those_that_are_written() -> None:
    written = {codecs.member(name, kind) for name, (kind, _) in codecs.columns(Assembled).items()}
    assert set(datacard.MEMBERS) == written


@pytest.mark.parametrize("weights, warned", [("tiny", True), ("local", False)])
def test_noise_is_called_noise(weights: str, warned: bool) -> None:
    assert ("paint noise" in datacard.readme(facts(weights=weights))) == warned


def test_no_text_breaks_out_of_its_cell() -> None:
    one = Credit(file=NASTY, licence=NASTY, author=NASTY, url=NASTY, samples=1)
    text = datacard.readme(facts(sources=(one,), profile=NASTY))
    (row,) = [row for row in tables(text) if "script" in row[0]]
    assert len(row) == 5 and "<script>" not in text.split("---\n", 2)[2]
    assert head(text)["pretty_name"] == f"Palimpsest: {NASTY}"
    assert head(text)["licenses_of_sources"] == [NASTY]


def test_a_long_list_of_photographs_is_cut_and_says_so() -> None:
    many = tuple(Credit(file=f"{i:04d}.jpg", samples=1) for i in range(datacard.LISTED + 7))
    text = datacard.readme(facts(sources=many))
    assert f"{datacard.LISTED - 1:04d}.jpg" in text and f"{datacard.LISTED:04d}.jpg" not in text
    assert "7 more are under `sources`" in text
    assert "made from a caption" in datacard.readme(facts(sources=()))


def test_licences_that_must_be_accepted_are_said() -> None:
    rows = [[cell.strip() for cell in row] for row in tables(datacard.readme(
        facts(labels={"sd35": 2, "sdxl": 3})))]  # fmt: skip
    licences = {row[1]: row[3] for row in rows if len(row) == 4 and row[1] in ("sd35", "sdxl")}
    assert licences == {
        "sd35": "Stability-Community (to be accepted before they are downloaded)",
        "sdxl": "CreativeML-OpenRAIL++-M",
    }


def test_a_licence_in_the_head_begins_no_markup() -> None:
    """The head is YAML to hubs, and Markdown to viewers that know no heads."""
    import yaml

    from pipeline import datacard

    texts = ["CC BY", "<script>alert(1)</script>", "[a](javascript:b)", "`<x>`", "\ue000 [x]"]
    foreign = [datacard._Foreign(text) for text in texts]
    dumped = yaml.dump(foreign, Dumper=datacard._Dumper, allow_unicode=True)
    for mark, escape in datacard._OPENS.values():
        dumped = dumped.replace(mark, escape)
    assert not set(dumped) & set("<[`")
    assert yaml.safe_load(dumped) == [*texts[:-1], " [x]"]
