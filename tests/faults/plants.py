"""Ten kinds of damage to a finished stand-in run, each with the words that name it.

python -m tests.faults.plants RUN      does all ten to a copy that you made
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline import codecs
from pipeline.documents import Edit, History
from pipeline.shards import RunFolder, join
from pipeline.writer import Writer


def shard_of(run: RunFolder, dataset: str) -> int:
    """One that has samples."""
    return next(i for i in range(3) if run.manifest(dataset, i).records)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.unlink()  # it may be a hard link, whose other name is left alone
    path.write_bytes(data)


def forge(run: RunFolder, dataset: str, change: Callable[[dict[str, bytes]], None]) -> str:
    """Commit a shard whose first sample is changed, all digests in order; returns which it is, as
    `verify` names it."""
    shard = shard_of(run, dataset)
    old = run.manifest(dataset, shard)
    rows = join(run, (dataset,), shard).rows
    members = {key: {one.name: row.raw(one.name) or b"" for one in old.records[key]}
               for key, row in rows.items()}  # fmt: skip
    first = next(iter(members))
    change(members[first])
    run.manifest_path(dataset, shard).unlink()
    run.tar(old).unlink()
    facts = {name: getattr(old, name) for name in ("config", "code", "model", "seeds")}
    with Writer(run, dataset, shard) as writer:
        for key, parts in members.items():
            writer.add(key, list(parts.items()))
        writer.commit(old.ids_in, old.rejected, old.parents, facts, {})
    return f"{dataset} shard {shard:05d}: {first}"


def smear(parts: dict[str, bytes]) -> None:
    """One pixel in a corner, which no mask of the stand-ins covers all over."""
    image = codecs.decode("Photo", parts["image.png"]).copy()
    image[0, :] = image[0, :] ^ 255
    parts["image.png"] = codecs.encode("Photo", image)


def blame(parts: dict[str, bytes]) -> None:
    """A label map that names the other family."""
    labels = codecs.decode("LabelMap", parts["mask.png"]).copy()
    labels[labels > 0] = 3 - labels[labels > 0]
    parts["mask.png"] = codecs.encode("LabelMap", labels)


def misturn(parts: dict[str, bytes]) -> None:
    turns = codecs.decode("LabelMap", parts["turns.png"])
    parts["turns.png"] = codecs.encode("LabelMap", np.where(turns > 0, turns + 1, 0).astype("u1"))


def rewrite_history(parts: dict[str, bytes]) -> None:
    """The other family claims to have painted."""
    history = History.model_validate_json(parts["history.json"])
    edit: Edit = history.edits[-1].model_copy(update={"family": "heal"})
    parts["history.json"] = codecs.encode("History", History(edits=(*history.edits[:-1], edit)))


def member_place(run: RunFolder, dataset: str, shard: int, name: str) -> tuple[str, int]:
    manifest = run.manifest(dataset, shard)
    key, members = list(manifest.records.items())[-1]
    member = next(one for one in members if one.name == name)
    return key, member.offset + member.size // 2


def plant_flip(run: RunFolder) -> str:
    shard = shard_of(run, "ingest")
    key, place = member_place(run, "ingest", shard, "image.png")
    flip(run.tar(run.manifest("ingest", shard)), place)
    return f"damaged are {key}.image.png"


def plant_header(run: RunFolder) -> str:
    flip(run.tar(run.manifest("segment", 0)), 3)
    return "segment/00000-.*does not match its digest"


def plant_cut(run: RunFolder) -> str:
    tar = run.tar(run.manifest("propose", 1))
    data = tar.read_bytes()[:-512]
    tar.unlink()
    tar.write_bytes(data)
    return "propose/00001-.* bytes, not"


def plant_gone(run: RunFolder) -> str:
    run.tar(run.manifest("score", 2)).unlink()
    return "score/00002-.* is gone"


def plant_folder(run: RunFolder) -> str:
    tar = run.tar(run.manifest("prompt-1", 0))
    tar.unlink()
    tar.mkdir()
    return "prompt-1/00000-.* is a folder"


def plant_manifest(run: RunFolder) -> str:
    flip(run.manifest_path("plan", 1), 40)
    return "plan/00001.json is not a manifest .it does not match its own digest"


def plant_pixels(run: RunFolder) -> str:
    return f"{forge(run, 'edit-1-clone', smear)} changed [0-9,]+ pixels outside its mask"


def plant_history(run: RunFolder) -> str:
    forged = forge(run, "edit-2-clone", rewrite_history)
    return f"{forged} was painted by heal in turn 2, which is not"


def plant_label(run: RunFolder) -> str:
    forged = forge(run, "assemble-train", blame)
    return f"{forged} has a mask.png that is not what its history paints"


def plant_turns(run: RunFolder) -> str:
    return f"{forge(run, 'assemble-val', misturn)} has a turns.png that is not what"


#: Those of pictures first: nothing is said of pixels in bytes that are damaged themselves.
PLANTS = (plant_pixels, plant_history, plant_label, plant_turns, plant_flip, plant_header,
          plant_cut, plant_gone, plant_folder, plant_manifest)  # fmt: skip


if __name__ == "__main__":
    for plant in PLANTS:
        print(f"{plant.__name__.removeprefix('plant_')}: {plant(RunFolder(Path(sys.argv[1])))}")
