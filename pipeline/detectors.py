"""Detectors may change while the dataset that they learn from stands.

They are no part of the dataset's identity (`Config.digest`). What other detectors left has to be
removed by hand before new ones may take its place: nothing that is committed is ever overwritten,
and nothing that an old detector made is ever shown as a new one's.
"""

from __future__ import annotations

from pipeline.config import Config
from pipeline.dag import dag
from pipeline.errors import InputError
from pipeline.shards import RunFolder


def same(config: Config, run: RunFolder) -> None:
    """Raise an InputError that names each committed stage (of training, evaluation and report, and
    of what was painted again for them) that this config would not make as it is."""
    stale = [
        stage.name for stage in dag(config) if stage.scope == "run" or stage.keys_of_config
        if any(run.committed(stage.name, shard)
               and run.manifest(stage.name, shard).config != stage.digest(config)
               for shard in stage.shards(config))
    ]  # fmt: skip
    if stale:
        raise InputError(f"{run.path} holds {', '.join(stale)} made with other detectors: remove "
                         f"these folders below {run.datasets} to make them anew (the dataset "
                         "stays), or give another folder with --out")  # fmt: skip
