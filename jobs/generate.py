"""AI-made base pictures: a caption in, a picture by one family out (paper 3.1, sixth aspect).

in    source.json of the samples whose base this family makes
out   image.png
run   python -m jobs.generate --family sdxl --partition 0/4 --run runs/demo
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobs import faults
from jobs.editors import Editor, Painted, gates
from jobs.weights import editor
from pipeline.config import Config
from pipeline.documents import Source
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import FromSource, Generated, Reject
from pipeline.seeds import seed
from pipeline.shards import Row
from pipeline.stage import Job, Transform, context


def generate(
    painter: Editor, config: Config, batch: Sequence[FromSource]
) -> list[Generated | Reject[Generated]]:
    """Paint every caption. A picture that is not finite or of one colour only is declined."""
    seeds = [seed(config.seed, item.key, 0, item.source.family, "base") for item in batch]
    captions = [item.source.caption for item in batch]
    size = config.bases.resolution

    def run(rows: range) -> list[Painted]:
        mine = slice(rows.start, rows.stop)
        return painter.generate(captions[mine], seeds[mine], size)

    found = [gates.made(made, size) for made in faults.in_halves(run, len(batch))]
    return [one if isinstance(one, Reject) else Generated(one) for one in found]


def job(config: Config, family: str) -> Job[FromSource, Generated]:
    def load() -> tuple[Transform[FromSource, Generated], str]:
        with faults.loading():
            painter, digest = editor(config, family)
        return lambda batch: generate(painter, config, batch), digest

    def mine(row: Row) -> bool:
        source: Source = row.get("source", "Source")
        return source.base == "ai" and source.family == family

    return Job(FromSource, Generated, load, mine, config.editing.batch)


def main(argv: list[str]) -> int:
    here = context("jobs.generate", argv)
    return work(here, job(here.config, here.args.family))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
