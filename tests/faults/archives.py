"""A process that opens broken archives of pairs, so that one that ends it is noticed, and says so.

python -m tests.faults.archives KIND SEED FIRST LAST FOLDER     a line a case, flushed
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from jobs.imported_pairs import Archive, look
from jobs.photos import Limits, Refused
from pipeline import config, released
from pipeline.config import Config
from pipeline.errors import InputError
from tests.faults import hostile
from tests.jobs.published import pairs, parquet, zipped

DATA = Path(__file__).parents[1] / "data"
KINDS = ("zip", "parquet")


def chosen(path: Path) -> Config:
    known = config.load(str(DATA / "standin.yaml")).model_dump()
    known["bases"]["min_side"] = 8
    imported = {"dataset": "diffseg30k", "path": str(path)}
    families = {f"f{label}": label for label in range(1, 9)}
    return Config.model_validate(known | {"imported": imported, "families": families})


def opened(path: Path) -> str:
    """What becomes of an archive and its pairs: refused as a whole, or so many good and bad."""
    settings = chosen(path)
    try:
        found = released.pairs(settings)
    except InputError:
        return "refused"
    archive, good = Archive(path), 0
    limits, labels = Limits.of(settings.bases), tuple(settings.families.values())
    for pair in found[:64]:
        if pair.lacks:
            continue
        try:
            image, _, _ = look(*archive.read(pair), limits, labels)
            assert image.shape[2] == 3
            good += 1
        except Refused as refused:
            assert refused.reason and len(str(refused)) < 1000
    return f"{good} of {len(found)}"


def main(kind: str, seed: str, first: int, last: int, folder: Path) -> None:
    known = pairs(0, 4, 24, 24)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, f"train.{kind}")
        whole = (zipped if kind == "zip" else parquet)(path, known).read_bytes()
    before = set(folder.rglob("*"))
    for number in range(first, last):
        draw = random.Random(f"{seed}-tars-{kind}-{number}")
        path = folder / f"train.{kind}"
        path.write_bytes(hostile.broken(whole, draw))
        print(number, "begun", flush=True)
        print(number, opened(path), flush=True)
        path.unlink()
        assert set(folder.rglob("*")) == before, "something was unpacked"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
