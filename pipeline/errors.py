"""Every failure the program knows, and the exit code each one ends with.

    PalimpsestError            1   a bug: the traceback is the message
    ├── PermanentError        78   the user must change something; never retried
    │   ├── ConfigError            a key, a profile, a family, the DAG
    │   └── InputError             a photograph folder, a run folder, a dataset
    ├── TransientError        75   disk full, I/O error: retried as it is
    │   └── NotReady               a stage was started before what it reads was committed
    ├── SuspectNodeError      76   sticky GPU error: retried on another node
    └── CorruptData           78   bytes that do not match their manifest

    OSError             75 or 78   by its errno; 1 where it says nothing about the machine
    MemoryError               75
    SIGTERM                   75   a pod that is moved, or the executor stopping its stages
    killed by a signal        75   the kernel (out of memory) or an operator did it
    Ctrl-C                   130   by convention; running again goes on from there

A *sample* that we decline is not an exception but a value: `pipeline.records.Reject`.
"""

import errno
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from pipeline import events, heard, live
from pipeline.hidden import hide

OK, BUG, TRANSIENT, SUSPECT, PERMANENT = 0, 1, 75, 76, 78
INTERRUPTED = 128 + signal.SIGINT
#: A file that Kubernetes puts into each container; what it holds is said of a pod that has ended.
TERMINATION_LOG = "/dev/termination-log"

#: What a full, sick or vanished disk says. Retrying may help; changing the config will not.
TRANSIENT_ERRNO = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EFBIG, errno.EINTR}
#: What a wrong path or wrong rights say, and the way out. Not ENOENT: a file that vanished
#: half-way is a bug, and what the user may have forgotten is looked for by name.
PERMANENT_ERRNO = {
    errno.EACCES: "choose one that you may use, or do this as whoever it belongs to",
    errno.EPERM: "choose one that you may use, or do this as whoever it belongs to",
    errno.EROFS: "choose one that can be written",
    errno.ENOTDIR: "choose a path through folders only",
    errno.EISDIR: "choose a path at which there is no folder",
    errno.EEXIST: "choose another path, or move away what is there",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "choose a path whose links do not lead in a circle",
}
AGAIN = "run the same command again to go on from here"
MEMORY = "choose fewer local.workers (or, for a new run, a smaller editing.batch)"


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


def to_repair(run: Path | str) -> str:
    """The command that makes good a run, as a sentence names it."""
    return f"`palimpsest repair {shlex.quote(str(run))}`"


class CorruptData(PermanentError):
    """Committed bytes that do not match the digest in their manifest; `where` are the dataset and
    the shard, as far as they are known, `run` the run that they are of, which can be repaired."""

    def __init__(
        self, what: str, where: tuple[str, int] | None = None, run: Path | None = None
    ) -> None:
        super().__init__(f"{what}: {to_repair(run)} makes it again" if run else what)
        self.what, self.where = what, where


class TransientError(PalimpsestError):
    """The same command may succeed later; nothing that was committed is lost."""

    code = TRANSIENT


class NotReady(TransientError):
    """A dataset this stage reads has not been committed yet."""


class SuspectNodeError(PalimpsestError):
    """The machine, not the work, seems to be at fault."""

    code = SUSPECT


class Stopped(KeyboardInterrupt):
    """SIGTERM. No `Exception`: code that survives any fault of a picture would survive it too, and
    commit that the picture was at fault."""


def explain(error: BaseException) -> tuple[int, str]:
    """Exit code and, where a sentence says it all, that sentence ("" = show the traceback)."""
    if isinstance(error, PalimpsestError) and error.code != BUG:
        return error.code, str(error)
    if isinstance(error, Stopped):
        return TRANSIENT, f"stopped by SIGTERM; {AGAIN}"
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, f"interrupted; {AGAIN}"
    if isinstance(error, MemoryError):
        return TRANSIENT, f"out of memory: {MEMORY}, then {AGAIN}"
    if isinstance(error, OSError):
        return _explain_os(error)
    return BUG, ""


def _explain_os(error: OSError) -> tuple[int, str]:
    if error.errno == errno.ENOMEM:
        return explain(MemoryError())
    if error.errno in TRANSIENT_ERRNO:
        where = f" writing {error.filename}" if error.filename else ""
        return TRANSIENT, (
            f"{error.strerror}{where}: make room or wait, then run the same command again; "
            "finished shards are kept"
        )
    if error.errno in PERMANENT_ERRNO:
        where = f": {error.filename}" if error.filename else ""
        return PERMANENT, f"{error.strerror}{where}: {PERMANENT_ERRNO[error.errno]}"
    return BUG, ""


def outcome(status: int) -> tuple[int, str]:
    """Exit code for a process that ended with `status` (below zero: by that signal), and for one
    that could not say it itself, the sentence."""
    if status >= 0:
        return status, ""
    names = {one.value: one.name for one in signal.Signals}
    killed = f"killed by {names.get(-status, f'signal {-status}')}"
    if status == -signal.SIGKILL:
        return TRANSIENT, f"{killed}, perhaps for want of memory: {MEMORY}, then {AGAIN}"
    return TRANSIENT, f"{killed}; {AGAIN}"


def guard(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run a program's main and turn whatever it raises into the exit-code contract, which holds
    even where nothing can be printed any more."""
    try:
        with _stoppable():
            code = main(argv)
            with suppress(BrokenPipeError):  # who read us has seen enough, as `head` does
                sys.stdout.flush()
            with suppress(Stopped):  # the work is done
                live.close()
            return code
    except SystemExit:
        raise
    except BaseException as error:
        code, sentence = explain(error)
        _last_words(code, sentence, traceback.format_exc())
        if not isinstance(error, KeyboardInterrupt):  # nor `Stopped`, which is one
            live.close()
        return code
    finally:
        _let_go()


def _last_words(code: int, sentence: str, trace: str) -> None:
    """The sentence, or of a bug the traceback: for people on stderr; where logs are JSON as an
    event, too; and in a pod where Kubernetes looks for its termination message."""
    sentence, trace = events.clean(sentence), hide(trace)
    why = {"sentence": sentence} if sentence else {"traceback": trace}
    if events.as_json():
        with suppress(OSError):
            events.say("failed", "", level="error", exit_code=code, **why)
    with suppress(OSError):  # the disk that is full holds the log, too
        if sentence:
            print(f"palimpsest: {sentence}", file=sys.stderr, flush=True)
        elif not events.as_json():
            sys.stderr.write(trace)
    with suppress(OSError):
        handle = os.open(TERMINATION_LOG, os.O_WRONLY | os.O_TRUNC)  # never made: not every pod's
        with os.fdopen(handle, "w", errors="backslashreplace") as log:
            log.write((sentence or trace)[-2000:])


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM raises `Stopped`, once, whatever the main thread waits for. Not in a rank of
    torchrun: its agent ends it when another rank has failed, whose words must stay the last."""
    main = threading.current_thread() is threading.main_thread()
    if not main or "TORCHELASTIC_RUN_ID" in os.environ:
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with heard.signals():
            yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough; tidying up is not disturbed
    raise Stopped


def _let_go() -> None:
    """Send what could not be printed to nowhere: Python would try once more when it ends, and end
    with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
