"""Every failure the program knows, and the exit code each one ends with.

    PalimpsestError            1   a bug: the traceback is the message
    ├── PermanentError        78   the user must change something; never retried
    │   ├── ConfigError            a key, a profile, a family, the DAG
    │   └── InputError             a photograph folder, a run folder, a dataset
    ├── TransientError        75   disk full, I/O error, SIGTERM: retried as it is
    │   └── NotReady               a stage was started before what it reads was committed
    ├── SuspectNodeError      76   sticky GPU error: retried on another node
    └── CorruptData           78   bytes that do not match their manifest

A *sample* that we decline is not an exception but a value: `pipeline.records.Reject`.
"""

import errno
import sys
import traceback
from collections.abc import Callable

OK, BUG, TRANSIENT, SUSPECT, PERMANENT = 0, 1, 75, 76, 78

#: What a full, sick or vanished disk says. Retrying may help; changing the config will not.
TRANSIENT_ERRNO = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EFBIG, errno.EINTR}
#: What a wrong path or wrong rights say.
PERMANENT_ERRNO = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


class PalimpsestError(Exception):
    """The root; raised itself only for bugs."""

    code = BUG


class PermanentError(PalimpsestError):
    """One sentence that names the key, file or dataset, and the way out."""

    code = PERMANENT


class ConfigError(PermanentError):
    """A key, a value, a profile or a family that cannot be used."""


class InputError(PermanentError):
    """Photographs or a run folder that cannot be used."""


class CorruptData(PermanentError):
    """Committed bytes that do not match the digest in their manifest."""


class TransientError(PalimpsestError):
    """The same command may succeed later; nothing that was committed is lost."""

    code = TRANSIENT


class NotReady(TransientError):
    """A dataset this stage reads has not been committed yet."""


class SuspectNodeError(PalimpsestError):
    """The machine, not the work, seems to be at fault."""

    code = SUSPECT


def explain(error: BaseException) -> tuple[int, str]:
    """Exit code and, where a sentence says it all, that sentence ("" = show the traceback)."""
    if isinstance(error, PalimpsestError) and error.code != BUG:
        return error.code, str(error)
    if isinstance(error, OSError) and error.errno in TRANSIENT_ERRNO:
        where = f" writing {error.filename}" if error.filename else ""
        return TRANSIENT, (
            f"{error.strerror}{where}: make room or wait, then run the same command again; "
            "finished shards are kept"
        )
    if isinstance(error, OSError) and error.errno in PERMANENT_ERRNO:
        return (
            PERMANENT,
            f"{error.strerror}: {error.filename}: choose one that you may use",
        )
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted; run the same command again to go on from here"
    return BUG, ""


def guard(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run a program's main and turn whatever it raises into the exit-code contract."""
    try:
        return main(argv)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        code, sentence = explain(error)
        if sentence:
            print(f"palimpsest: {sentence}", file=sys.stderr, flush=True)
        else:
            traceback.print_exc()
        return code
