"""What an archive of the published dataset holds, before a single picture is opened.

    train.zip       train_copy/00000012.image.png and train_copy/00000012.mask.png, and so on
    data/train-00000-of-00042.parquet      rows with the columns `image` and `mask`
    train_copy/     the same pairs, unpacked

One such file, or a folder of them; what is called `val...` is the validation split. Where there is
none, the config's `val_share` of the pairs is cut from train: by pair, since what two pictures were
made from is not known. Samples are numbered train first, in order of file and name.
"""

from __future__ import annotations

import errno
import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.apart import Apart, Ended
from pipeline.errors import InputError
from pipeline.seeds import ranked

if TYPE_CHECKING:  # the process that reads pairs shall start at once
    from pipeline.config import Config
    from pipeline.documents import Split

_MEMBER = re.compile(r"((?:[^/]+/)*[0-9]{8})\.(image|mask)\.png")
_VAL = re.compile(r"val(idation)?([-_./\d]|$)")
COLUMNS = ("image", "mask")
#: Most pairs of an archive: keys have eight digits.
MOST = 10**8
#: Seconds of a processor to list one file.
LONGEST = 600


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture and its mask. `file` is their archive, "" = unpacked files; `name` is what comes
    before `.image.png`, or the number of a row. `lacks` is the half that is missing, or ""."""

    file: str
    name: str
    split: Split
    lacks: str = ""

    @property
    def id(self) -> str:
        return f"{self.file}/{self.name}" if self.file else self.name


def inside(file: Path, name: str) -> list[Pair]:
    """The pairs in a zip or parquet file, which `name` is to stand for. Raises InputError."""
    if file.suffix == ".zip":
        return _paired(name, _members(file))
    return [Pair(name, str(row), _split(name)) for row in range(_rows(file))]


def pairs_apart(config: Config) -> tuple[Pair, ...]:
    """`pairs`, with the files opened in another process: what ends that is the file's fault."""
    with Apart(inside, seconds=LONGEST) as opened:

        def tried(file: Path, name: str) -> list[Pair]:
            try:
                return opened(file, name)
            except Ended as ended:
                raise InputError(
                    f"the process that opened {file} {ended}: fetch it again"
                ) from None

        return pairs(config, tried)


def pairs(config: Config, inside: Callable[[Path, str], list[Pair]] = inside) -> tuple[Pair, ...]:
    """All pairs of the config's archive; sample i is pair i. Raises InputError, which names the
    file, if there is none or one cannot be read."""
    path = archive(config)
    found = sorted(_found(path, inside), key=lambda pair: (pair.split != "train", pair.file))
    if not found:
        raise InputError(f"{path} holds no pair NNNNNNNN.image.png and NNNNNNNN.mask.png, and no "
                         "parquet file with the columns image and mask: give the archive as it "
                         "was published")  # fmt: skip
    if any(pair.split == "val" for pair in found):
        return tuple(found)
    ids = [pair.id for pair in found]
    held = set(ranked(config.seed, "split", ids)[: max(1, round(config.val_share * len(ids)))])
    cut = (replace(pair, split="val") if pair.id in held else pair for pair in found)
    return tuple(sorted(cut, key=lambda pair: pair.split != "train"))


def archive(config: Config) -> Path:
    """Where the config's archive lies, which must be there."""
    if config.imported is None or not config.imported.path:
        raise InputError("imported.path names no archive: run `palimpsest import` with its path")
    path = Path(config.imported.path)
    if not path.exists():
        raise InputError(f"no archive at {path}: give the path of a downloaded one, or --hub to "
                         "have it fetched there")  # fmt: skip
    return path


def filled(config: Config, path: Path) -> Config:
    """The config with its archive, and as many samples as that has."""
    if config.imported is None:
        raise InputError("the profile imports nothing: it needs the section imported, with the key "
                         "dataset")  # fmt: skip
    at = config.imported.model_copy(update={"path": str(path.resolve())})
    found = config.model_copy(update={"imported": at})
    known = found.model_dump() | {"samples": len(pairs_apart(found))}
    return type(config).model_validate(known)


def fingerprint(path: Path) -> str:
    """16 hex digits over the names and sizes (bytes) of the archive's files."""
    found = hashlib.sha256()
    for name, file in _files(path):
        found.update(f"{name}\0{file.stat().st_size}\0".encode("utf-8", "surrogateescape"))
    return found.hexdigest()[:16]


def located(path: Path, pair: Pair) -> Path:
    """The archive's file that holds `pair`, or the folder of an unpacked one."""
    return path if path.is_file() or not pair.file else path / pair.file


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """What matters of an archive, by name relative to it, in order."""
    if path.is_file():
        yield path.name, path
        return
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if name.startswith(".") or "/." in name or not file.is_file():
            continue
        if file.suffix in (".zip", ".parquet") or _MEMBER.fullmatch(name):
            yield name, file


def _found(path: Path, inside: Callable[[Path, str], list[Pair]]) -> list[Pair]:
    found: list[Pair] = []
    loose: list[str] = []
    for name, file in _files(path):
        if file.suffix in (".zip", ".parquet"):
            found += inside(file, name)
        else:
            loose.append(name)
    return found + _paired("", loose)


def _members(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as opened:
            return opened.namelist()
    except (OSError, MemoryError) as error:
        if not strange(error):
            raise
        said: object = error
    except Exception as error:  # a broken directory raises nearly anything
        said = error
    raise InputError(f"{file} is no whole zip file ({said}): fetch it again")


def strange(error: BaseException) -> bool:
    """Whether an error is about what a file holds, and not about the disk or the machine: a place
    that is none (EINVAL), or a library's own."""
    if isinstance(error, OSError):
        return error.errno in (None, errno.EINVAL)
    return not isinstance(error, MemoryError)


def _rows(file: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            names, about = opened.schema_arrow.names, opened.metadata
            rows = int(about.num_rows)
            groups = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
    except Exception as error:
        if not strange(error) and not isinstance(error, pa.ArrowException):
            raise
        raise InputError(f"{file} is no whole parquet file ({error}): fetch it again") from None
    if min([rows, *groups]) < 0 or sum(groups) != rows or rows > MOST:
        raise InputError(f"{file} says of itself that it has {rows} rows, {sum(groups)} in groups: "
                         "fetch it again")  # fmt: skip
    if missing := [name for name in COLUMNS if name not in names]:
        raise InputError(f"{file} has no column {missing[0]} (it has {', '.join(names)[:200]}): "
                         "take it out of the archive")  # fmt: skip
    return rows


def _paired(file: str, names: list[str]) -> list[Pair]:
    """The pairs among the names of files, in order; others are left alone."""
    halves: dict[str, set[str]] = {}
    for name in names:
        if match := _MEMBER.fullmatch(name):
            halves.setdefault(match[1], set()).add(match[2])
    return [
        Pair(file, stem, _split(f"{file}/{stem}"),
             "" if len(there) == 2 else min(set(COLUMNS) - there))
        for stem, there in sorted(halves.items())
    ]  # fmt: skip


def _split(name: str) -> Split:
    """By the name of the file and of each folder: `validation.zip`, `val_copy/00000001`."""
    return "val" if any(_VAL.match(part) for part in name.split("/")) else "train"
