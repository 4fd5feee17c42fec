"""The index: what is refused, what is counted, what is read to the last byte before it stands."""

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import index
from pipeline import config, local
from pipeline.audit import Audit, Counts
from pipeline.config import Config
from pipeline.documents import IndexFacts
from pipeline.errors import CorruptData, InputError, NotReady
from pipeline.shards import RunFolder, join

DATA = Path(__file__).parent.parent / "data"
KEPT = {"train": 3, "val": 1, "filtered": 0}
NONE = {"train": 0, "val": 0, "filtered": 20}


def audited(missing: tuple[str, ...] = (), faults: tuple[str, ...] = (), **reasons: int) -> Audit:
    return Audit(run="run", profile="p", digest="", samples={}, missing=missing, faults=faults,
                 stages={"score": Counts(reasons=reasons)})  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("index") / "run"
    assert local.run(config.load(str(DATA / "standin.yaml")), DATA / "photos", path) == 0
    return RunFolder(path)


@pytest.fixture
def unindexed(finished: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    run.manifest_path("index", 0).unlink()
    return run


def facts(run: RunFolder) -> IndexFacts:
    found: IndexFacts = join(run, ("index",), 0).rows["index"].get("index", "IndexFacts")
    return found


def test_a_dataset_that_is_not_there_or_does_not_add_up_gets_no_index(standin: Config) -> None:
    index.check(audited(), KEPT, standin)
    with pytest.raises(NotReady, match="not complete: score shard 00001"):
        index.check(audited(missing=("score shard 00001",)), NONE, standin)
    with pytest.raises(CorruptData, match="does not add up: lost one"):
        index.check(audited(faults=("lost one",)), NONE, standin)


@pytest.mark.parametrize(
    "reasons, way",
    [({"low-score": 20, "missing-file": 4}, "lower keep_score"), ({"no-turns": 24}, "min_changed"),
     ({"missing-file": 20, "low-score": 4}, "--photos"), ({"no-regions": 24}, "regions.min_area")],
)  # fmt: skip
def test_nothing_to_train_on_is_said_with_what_to_change(
    standin: Config, reasons: dict[str, int], way: str
) -> None:
    with pytest.raises(InputError, match="nothing is left to train on") as raised:
        index.check(audited(**reasons), NONE, standin)
    said = str(raised.value)
    assert (
        way in said and f"{max(reasons.values())} {max(reasons, key=lambda r: reasons[r])}" in said
    )


def test_what_the_index_stands_on_is_all_above_it_and_no_replay(standin: Config) -> None:
    reals = config.Reals(unedited=1, negatives=1)
    found = index.above(standin.model_copy(update={"reals": reals, "replays": {"sdxl": "clone"}}))
    assert {"ingest", "reals", "plan", "edit-3-heal", "score", "assemble-filtered"} < found
    assert not [name for name in found if name.startswith("replay")] and "index" not in found
    assert index.above(standin) == found - {"reals"}


@pytest.mark.slow
def test_a_run_that_keeps_nothing_ends_with_78_and_loses_nothing(
    standin: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Few samples, and a judge whom none of them pleases."""
    strict = standin.model_copy(update={"samples": 4, "keep_score": 5})
    assert local.run(strict, DATA / "photos", tmp_path / "run") == 78
    run = RunFolder(tmp_path / "run")
    said = capsys.readouterr().err
    assert "nothing is left to train on" in said and "lower keep_score" in said
    assert not run.committed("index", 0)
    apart = [run.manifest("assemble-filtered", i) for i in range(strict.shards)]
    assert sum(len(manifest.records) for manifest in apart) == strict.samples


@pytest.mark.slow
def test_the_index_describes_its_dataset(finished: RunFolder, standin: Config) -> None:
    known = facts(finished)
    assert (known.profile, known.weights, known.labels) == (
        "standin",
        "local",
        {"clone": 1, "heal": 2},
    )
    assert known.planned == standin.samples == sum(known.samples.values())
    assert known.config["seed"] == 7 and known.config["regions"] == standin.regions.model_dump()
    never = {"photos", "local", "detectors", "protocols", "holdouts"}
    assert never.isdisjoint(known.config) and known.reals == {}
    text = (finished.path / "dataset" / "index.json").read_text()
    assert str(DATA) not in text and json.loads(text)["labels"] == known.labels


@pytest.mark.slow
def test_photographs_are_credited_and_counted(finished: RunFolder) -> None:
    credited = {one.file: one for one in facts(finished).sources}
    flower = credited["images/flower.jpg"]
    assert (flower.author, flower.licence) == ("vultilion", "Attribution 2.0 Generic (CC BY 2.0)")
    assert flower.url == "https://www.flickr.com/photos/vultilion/6056698931/"
    samples: Counter[str] = Counter()
    for split in ("train", "val", "filtered"):
        for shard in range(3):
            for row in join(finished, (f"assemble-{split}",), shard).rows.values():
                samples[row.get("sample", "Sample").source.file] += 1
    del samples[""]
    assert {file: one.samples for file, one in credited.items()} == samples


@pytest.mark.slow
def test_every_row_leads_to_its_files(finished: RunFolder) -> None:
    dataset = finished.path / "dataset"
    table = pq.read_table(dataset / "edits.parquet").to_pylist()
    assert {row["split"] for row in table} == {"train", "val"}
    for row in table:
        manifest = finished.manifest(f"assemble-{row['split']}", int(row["tar"][-9:-4]))
        members = {f"{row['key']}.{one.name}" for one in manifest.records[row["key"]]}
        assert {row["image_member"], row["mask_member"], row["turns_member"]} < members
        assert (dataset / row["tar"]).is_file() and len(row["prompts"]) == len(row["seeds"])
        assert (row["source_crop"] is None) == (row["base"] == "ai")


@pytest.mark.slow
def test_a_shard_whose_bytes_rotted_gets_no_index(unindexed: RunFolder) -> None:
    """As long as it was, so that only reading it tells."""
    tar = unindexed.tar(unindexed.manifest("assemble-val", 1))
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.unlink()  # the published name is another link to the same bytes
    tar.write_bytes(data)
    with pytest.raises(CorruptData, match=f"{tar.name} does not match its digest"):
        index.main(["--run", str(unindexed.path)])
    assert not unindexed.committed("index", 0)


@pytest.mark.slow
def test_an_index_made_again_is_the_same(unindexed: RunFolder, finished: RunFolder) -> None:
    assert index.main(["--run", str(unindexed.path)]) == 0
    again, before = unindexed.manifest("index", 0), finished.manifest("index", 0)
    assert (again.sha256, again.parents) == (before.sha256, before.parents)
    assert {"assemble-val/00000", "score/00002", "plan/00001"} < again.parents.keys()
    table = join(unindexed, ("index",), 0).rows["index"].raw("edits.parquet")
    assert table and pq.read_table(io.BytesIO(table)).num_rows > 24


def test_the_balance_of_the_plan_is_told(finished: RunFolder) -> None:
    balance = facts(finished).balance
    planned, kept = Counter[str](), Counter[str]()
    for row in balance:
        planned[row.quota] += row.planned
        kept[row.quota] += row.kept
    samples = facts(finished).samples
    assert planned["turns"] == planned["base"] == facts(finished).planned - sum(
        item.reason == "no-regions"
        for shard in range(3) for item in finished.manifest("segment", shard).rejected
    )  # fmt: skip
    assert kept["turns"] == kept["base"] == samples["train"] + samples["val"] > 0
    assert planned["edit type"] == planned["area"] == planned["category"]
    turns = {row.kind: row for row in balance if row.quota == "turns"}
    assert turns["3"].planned > turns["1"].planned
