"""Read the weights that were checked, and no others.

Libraries open a folder's files by their paths, and between the check and that somebody may swap
them. So they get another folder: a link to each descriptor on which a file was hashed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline import store
from pipeline.errors import PermanentError
from pipeline.store import Found

#: The open files of this process, by the number of the descriptor.
DESCRIPTORS = Path("/proc/self/fd")
Opened = dict[Path, tuple[int, os.stat_result]]


@contextmanager
def held(folders: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Below which folder to read `folders`, by their names, and their digest, as `store.digest`.

    There is nothing in it but what was hashed. What is swapped meanwhile is not read, and bytes
    that are changed in place are noticed at the end: both are a TransientError, and the next try
    looks at them anew. Folders of which one is missing are left where they are, for whoever reads
    them to say so; so are all where there is no /proc.
    """
    here, opened = folders[0].parent, Opened()
    with ExitStack() as stack:
        surveyed = [(one, _opened(one, opened, stack)) for one in folders]
        digest = store.total(surveyed)
        view = here
        if DESCRIPTORS.is_dir() and all(folder.is_dir() for folder in folders):
            view = Path(stack.enter_context(TemporaryDirectory(prefix="palimpsest-")))
            _linked(view, folders, opened)
        try:
            yield view, digest
        except PermanentError as error:  # names the folder that its reader saw
            error.args = (str(error).replace(str(view), str(here)),)
            raise
        for path, (file, before) in opened.items():
            store.unchanged(path, os.fstat(file), before)
            store.unchanged(path, os.stat(path) if path.exists() else None, before)


def _opened(folder: Path, opened: Opened, stack: ExitStack) -> Found:
    """What a folder holds, if that is what its lock says; its files stay open with `stack`."""

    def keep(name: str, file: int) -> None:
        mine = os.dup(file)
        stack.callback(os.close, mine)
        opened[folder / name] = mine, os.fstat(mine)

    return store.judged(folder, store.survey(folder, keep=keep))


def _linked(view: Path, folders: Sequence[Path], opened: Opened) -> None:
    for folder in folders:
        for path, (file, _) in opened.items():
            if path.is_relative_to(folder):
                link = view / folder.name / path.relative_to(folder)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(DESCRIPTORS / str(file))
