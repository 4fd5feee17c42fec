"""What an edit costs besides its model: `python -m tests.benchmarks.edit_overhead`.

A stage `edit` over pictures of 1024 x 1024 pixels, with a painter that takes no time: CPU of all
threads for each edit (read, composite, gates, encode, write), the PNG encoder's share of it, and
what other lossless encoders take for the same pictures. Exits 1 above the limit.
"""

from __future__ import annotations

import importlib
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

import jobs.edit
from jobs.editors import Painted
from pipeline import config, png, runs
from pipeline.dag import dag
from pipeline.shards import RunFolder, join

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels

ROOT = Path(__file__).parents[2]
STAGE = "edit-1-clone"
SAMPLES = 9
ROUNDS = 5
#: CPU milliseconds for each edit, without the encoder's.
LIMIT = 60.0


class Instantly:
    """Paints the inverse of the picture, made before the clock runs."""

    def __init__(self, made: dict[bytes, Pixels]) -> None:
        self.made = made

    def inpaint(
        self, images: Sequence[Pixels], masks: Sequence[Mask], prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Painted]:  # fmt: skip
        return [Painted(self.made[image[0].tobytes()]) for image in images]

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        raise NotImplementedError


def begin(out: Path) -> tuple[RunFolder, list[str], list[Pixels]]:
    """A run in which everything before the edit is done; that stage's argv; the pictures."""
    known = config.load(str(ROOT / "tests" / "data" / "standin.yaml")).model_dump(mode="json")
    known |= {"samples": SAMPLES, "shard_size": SAMPLES, "families": {"clone": 1}, "turns": {1: 1}}
    known["bases"] |= {"resolution": 1024, "ai_share": 0.0}
    found, run = runs.begin(
        config.Config.model_validate(known), ROOT / "tests" / "data" / "photos", out
    )
    for stage in dag(found):
        if stage.name == STAGE:
            rows = join(run, ("ingest",), 0).rows.values()
            return run, stage.argv(out), [row.get("image", "Photo") for row in rows]
        importlib.import_module(stage.module).main(stage.argv(out))
    raise AssertionError(f"there is no {STAGE}")


def cpu(work: Callable[[], object]) -> float:
    """CPU milliseconds of all threads."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1e3


def pillow(level: int, form: str = "PNG") -> Callable[[Pixels], bytes]:
    """An encoder of Pillow's."""
    how = (
        {"compress_level": level}
        if form == "PNG"
        else {"lossless": True, "quality": level, "method": level}
    )

    def encode(photo: Pixels) -> bytes:
        out = io.BytesIO()
        Image.fromarray(photo).save(out, form, **how)
        return out.getvalue()

    return encode


ENCODERS: dict[str, Callable[[Pixels], bytes]] = {
    "ours: row above, libdeflate 1": png.encode,
    "Pillow PNG level 1": pillow(1),
    "Pillow PNG level 6": pillow(6),
    "Pillow WebP lossless, least effort": pillow(0, "WEBP"),
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        with redirect_stdout(io.StringIO()):
            run, argv, photos = begin(Path(folder) / "run")
        painter = Instantly({photo[0].tobytes(): 255 - photo for photo in photos})
        jobs.edit.editor = lambda *_: (painter, "")
        edits, encodes = [], []
        for _ in range(ROUNDS):
            with redirect_stdout(io.StringIO()):
                edits.append(cpu(lambda: jobs.edit.main(argv)) / SAMPLES)
            encodes.append(cpu(lambda: [png.encode(photo) for photo in photos]) / SAMPLES)
            manifest = run.manifest(STAGE, 0)
            assert not manifest.rejected and len(manifest.ids_in) == SAMPLES, manifest
            run.manifest_path(STAGE, 0).unlink()
    whole, encoder = statistics.median(edits), statistics.median(encodes)
    rest = whole - encoder
    print(f"{whole:.0f} ms of CPU for each edit: {encoder:.0f} the encoder, {rest:.0f} the rest "
          f"(at most {LIMIT:.0f})")  # fmt: skip
    for name, encode in ENCODERS.items():
        times = [cpu(lambda: encode(photo)) for photo in photos]  # noqa: B023 - called at once
        size = statistics.mean(len(encode(photo)) for photo in photos) / 1000
        print(f"{name:<32} {statistics.median(times):6.0f} ms {size:6.0f} kB")
    return int(rest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
