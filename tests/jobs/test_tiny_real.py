"""Every stage with its real class and tiny weights, from photographs to dataset, no stand-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.segmenters.grounded_sam import CARD as SEGMENTER
from jobs.tiny.cache import VERSION
from pipeline import config, local
from pipeline.cards import card
from pipeline.config import Config
from pipeline.documents import IndexFacts, Regions
from pipeline.shards import RunFolder, join
from pipeline.store import digest

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


def shrunk(folder: Path) -> Config:
    """The profile with two families, few samples and no detector: the stages stay what they are."""
    whole = config.load("tiny-real")
    return Config.model_validate(
        whole.model_dump(mode="json")
        | {"samples": 8, "shard_size": 4, "families": {"sd2": 1, "flux": 4}, "detectors": {}}
        | {"editing": whole.editing.model_dump() | {"folder": str(folder)}}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    folder = tmp_path_factory.mktemp("tiny-real")
    assert local.run(shrunk(folder), PHOTOS, folder / "run") == 0
    yield RunFolder(folder / "run")


def test_the_profile_has_no_stand_in() -> None:
    whole = config.load("tiny-real")
    models = [card("editors", name) for name in whole.families]
    models += [card("vlms", whole.vlm), card("segmenters", whole.segmenter)]
    assert all(model.repos for model in models) and len(whole.families) == 8
    assert whole.editing.weights == "tiny" and not whole.bases.annotations and whole.detectors


@pytest.mark.slow
@pytest.mark.timeout(900)  # the run itself is in it
def test_it_runs_to_its_end_and_the_segmenter_finds_regions(run: RunFolder) -> None:
    facts: IndexFacts = join(run, ("index",), 0).rows["index"].get("index", "IndexFacts")
    assert facts.planned == 8 and facts.samples["train"] + facts.samples["filtered"] > 0
    weights = digest(SEGMENTER.folders(run.path.parent / VERSION / "grounded_sam"))
    reasons = set()
    for shard in range(2):
        manifest = run.manifest("segment", shard)
        assert manifest.model == weights
        reasons |= {item.reason for item in manifest.rejected}
        for row in join(run, ("segment",), shard).rows.values():
            regions: Regions = row.get("regions", "Regions")
            assert {region.origin for region in regions.regions} == {"segmenter"}
            assert all(region.score and region.quality for region in regions.regions)
    assert reasons <= {"no-regions"}
