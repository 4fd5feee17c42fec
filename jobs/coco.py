"""A folder of photographs: COCO layout (captions and instances) or just images.

Looked for: images anywhere below the folder; `instances*.json` and `captions*.json` in it or in its
`annotations/`. A picture that no annotation names is a source all the same. A source's id is the
COCO image id, else the path below the folder; its split (8:2, paper 4.1) is a keyed draw over all
sources, so that every crop, caption and edit of a photograph lands on one side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import coco_masks
from jobs.taxonomy import category
from pipeline.config import Config
from pipeline.documents import Split
from pipeline.errors import InputError
from pipeline.photographs import SUFFIXES, is_photograph
from pipeline.seeds import ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Photo:
    """One photograph: `name` is the path below the folder; `path` is None if it is not there.
    `licence`, `author` and `url` are as the annotations have them, "" if they do not say."""

    path: Path | None
    name: str
    licence: str = ""
    author: str = ""
    url: str = ""

    def credited(self, other: Photo) -> Photo:
        """With what only `other`, the same photograph in another file, says."""
        return replace(
            self, licence=self.licence or other.licence, author=self.author or other.author,
            url=self.url or other.url,
        )  # fmt: skip


@dataclass(frozen=True)
class Annotation:
    """One COCO instance."""

    id: str
    name: str
    category: str
    segmentation: Any

    def mask(self, size: tuple[int, int]) -> NDArray[np.bool_] | None:
        """(height, width) bool at the file's `size` (width, height); None without a usable mask."""
        return coco_masks.decoded(self.segmentation, size)


@dataclass
class Photographs:
    """All sources of a run, by source id. `strays` counts annotations of images that their file
    does not list."""

    photos: dict[str, Photo] = field(default_factory=dict)
    captions: dict[str, list[str]] = field(default_factory=dict)
    annotations: dict[str, list[Annotation]] = field(default_factory=dict)
    split: dict[str, Split] = field(default_factory=dict)
    strays: int = 0


def read_photographs(folder: Path, config: Config) -> Photographs:
    """Raises InputError for an empty folder, broken JSON, or two sources with one id."""
    if not folder.is_dir():
        raise InputError(f"no folder of photographs at {folder}")
    files = {
        _text(path.relative_to(folder).as_posix()): path
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip
    pictures = [name for name, path in files.items() if is_photograph(path)]
    if not pictures:
        kinds = ", ".join(sorted(SUFFIXES))
        raise InputError(f"no photographs below {folder}: expected files ending in {kinds}")
    endings: dict[str, list[str]] = {}
    for name in files:
        endings.setdefault(name.rpartition("/")[2], []).append(name)
    found = Photographs()
    named: dict[str, str] = {}
    for kind in ("instances", "captions"):
        for path in sorted(
            [*folder.glob(f"{kind}*.json"), *folder.glob(f"annotations/{kind}*.json")]
        ):
            _read_json(path, files, endings, found, named)
    for name in pictures:
        if name not in named:
            _add(found, name, Photo(files[name], name), folder)
    order = ranked(config.seed, "split", found.photos)
    held_out = min(max(1, round(config.val_share * len(order))), len(order) - 1)
    found.split = {source: "val" if i < held_out else "train" for i, source in enumerate(order)}
    return found


def _read_json(
    path: Path,
    files: dict[str, Path],
    endings: dict[str, list[str]],
    found: Photographs,
    named: dict[str, str],
) -> None:
    data = _parsed(path)
    licences = {str(one["id"]): _text(one.get("name") or "") for one in data["licenses"]}
    kinds = {str(one["id"]): one for one in data["categories"]}
    seen: dict[str, str] = {}
    for image in data["images"]:
        source, name = _text(image["id"]), _text(image["file_name"])
        if source in seen:
            raise InputError(f"{path}: two images have the id {source}: {seen[source]} and {name}; "
                             "give each its own")  # fmt: skip
        seen[source] = name
        where = _locate(name, path.stem.partition("_")[2], files, endings)
        if named.setdefault(where, source) != source:
            raise InputError(f"{path}: the file {name} has two ids, {named[where]} and {source}")
        licence = licences.get(str(image.get("license")), "")
        author = _text(image.get("author") or "")
        photo = Photo(files.get(where), where, licence, author, _url(image))
        _add(found, source, photo, path)
    for item in data["annotations"]:
        source = _text(item["image_id"])
        if source not in seen:
            found.strays += 1
        elif "caption" in item:
            found.captions.setdefault(source, []).append(_text(item["caption"]))
        else:
            kind = kinds.get(str(item.get("category_id")), {})
            name = _text(kind.get("name") or "object")
            found.annotations.setdefault(source, []).append(
                Annotation(
                    _text(item.get("id", "without id")),
                    name,
                    category(name, _text(kind.get("supercategory") or "")),
                    item.get("segmentation"),
                )
            )


#: Bytes of a file of annotations (COCO has 470 MB at most), annotations of one photograph that are
#: looked at, letters of a text.
LARGEST, MOST, LETTERS = 4 << 30, 1000, 2000
#: The lists of a COCO file, and the keys that each of their items must have.
LISTS = {
    "images": ("id", "file_name"), "annotations": ("image_id",), "licenses": ("id",),
    "categories": ("id",),
}  # fmt: skip
#: Keys that hold a text or a number, where an item has them.
TEXTS = ("id", "file_name", "license", "author", "url", "flickr_url", "coco_url", "image_id",
         "category_id", "caption", "name", "supercategory")  # fmt: skip


def _parsed(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The four lists of a COCO file, checked for their shape: `InputError` for any other file."""
    if (size := path.stat().st_size) > LARGEST:
        raise InputError(f"{path} has {size >> 20} MiB, more than {LARGEST >> 20}: cut it in parts")
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    lists = {}
    for name, keys in LISTS.items():
        items = data.get(name) if isinstance(data, dict) else None
        if items is None and name in ("licenses", "categories"):
            items = []
        if not isinstance(items, list):
            raise InputError(f"{path} is not a COCO file: it has no list {name!r}")
        for i, item in enumerate(items):
            lacking = [
                key for key in keys if not isinstance(item, dict) or item.get(key) in (None, "")
            ]
            if lacking:
                raise InputError(f"{path} is not a COCO file: {name}[{i}] has no {lacking[0]!r}")
            for key in TEXTS:
                _judge(item.get(key), f"{path}: {name}[{i}].{key}")
        lists[name] = items
    return lists


def _judge(value: Any, where: str) -> None:
    if not isinstance(value, str | int | float | None):
        raise InputError(f"{where} is neither text nor number: correct it, or leave it out")
    if isinstance(value, str) and len(value) > LETTERS:
        raise InputError(f"{where} has {len(value)} letters, more than {LETTERS}: shorten it, or "
                         "leave it out")  # fmt: skip


def _url(image: dict[str, Any]) -> str:
    """Where a photograph was found: COCO's `flickr_url` is its author's own copy, `coco_url` a
    mirror."""
    return _text(next((image[k] for k in ("url", "flickr_url", "coco_url") if image.get(k)), ""))


def _add(found: Photographs, source: str, photo: Photo, where: Path) -> None:
    known = found.photos.setdefault(source, photo)
    if known.name != photo.name:
        raise InputError(f"{where}: two images have the id {source}: {known.name} and {photo.name};"
                         " give each its own")  # fmt: skip
    found.photos[source] = known.credited(photo)


def _text(value: Any) -> str:
    """As text that every encoder takes: a byte of a file name that is no UTF-8, or half a
    character in JSON, is spelt out."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _locate(name: str, part: str, files: dict[str, Path], endings: dict[str, list[str]]) -> str:
    """COCO names a file without its folder: find it below the folder. `part` is `train2017` for
    the names in `instances_train2017.json`."""
    for known in (name, f"images/{name}", f"{part}/{name}"):
        if known in files:
            return known
    ending = [
        found for found in endings.get(name.rpartition("/")[2], ()) if found.endswith(f"/{name}")
    ]
    return ending[0] if len(ending) == 1 else name
