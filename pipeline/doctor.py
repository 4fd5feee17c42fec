"""`palimpsest doctor`: can runs be kept here, models be read, and the GPU be seen?

Each check is a line, `ok` or `FAIL` with what to do. Without options it looks at this machine; in a
pod (`helm test`) at the claims. The commit protocol rests on what is tried here: a file appears
whole or not at all, and of two writers the first one wins.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pipeline import doctor_models
from pipeline.doctor_disk import case, clock, first_wins, others, renames, space, writable
from pipeline.documents import Doc
from pipeline.errors import OK, PERMANENT, TRANSIENT, PermanentError, TransientError, explain
from pipeline.events import clean

#: Where the metrics of a pod are served.
PORT = 9090
CUDA = "import torch; print(torch.cuda.device_count(), torch.version.cuda)"

#: Says what was found, or raises a PermanentError or TransientError with the way out.
Check = Callable[[], str]


class Tried(Doc):
    """One check: what was found, or what is wrong and the way out."""

    name: str
    said: str
    exit_code: int


class Diagnosis(Doc):
    checks: tuple[Tried, ...]
    process: str
    exit_code: int


def main(args: argparse.Namespace) -> int:
    def say(line: str) -> None:
        if not args.json:
            print(line, flush=True)

    found = [_tried(name, check, say) for name, check in checks(args)]
    say(f"info  process: {_process()}")
    failed = [one.exit_code for one in found if one.exit_code != OK]
    code = PERMANENT if PERMANENT in failed else TRANSIENT if failed else OK
    if args.json:
        seen = Diagnosis(checks=tuple(found), process=_process(), exit_code=code)
        print(seen.model_dump_json(indent=2))
    if failed:
        print(f"palimpsest: {len(failed)} of {len(found)} checks failed", file=sys.stderr)
    else:
        say(f"all {len(found)} checks passed")
    return code


def checks(args: argparse.Namespace) -> Iterator[tuple[str, Check]]:
    """What there is to check. Made one after the other: files of the earlier are there for the
    later."""
    given = args.data is not None
    data = args.data or (Path("runs") if Path("runs").is_dir() else Path())
    with _scratch(data) as here:
        for name, check in (
            ("writable", writable), ("rename", renames), ("first writer wins", first_wins),
            ("other processes", others), ("names", case), ("clock", clock),
        ):  # fmt: skip
            yield f"{data}: {name}", partial(check, here)
            if not os.path.isdir(here):  # the first one made it, or has said why it could not
                break
    if os.path.isdir(data):
        yield f"{data}: free space", partial(space, data)
    if args.models:
        yield f"{args.models}: readable", partial(doctor_models.readable, args.models)
    if args.profile:
        yield from doctor_models.checks(args.profile, args.models)
    if args.gpu:
        yield "GPU", gpu
    port = args.port or (PORT if given else 0)
    if port:
        yield f"port {port}", partial(free_port, port)


def _tried(name: str, check: Check, say: Callable[[str], None]) -> Tried:
    try:
        found = Tried(name=clean(name), said=clean(check()), exit_code=OK)
    except (PermanentError, TransientError, OSError) as error:
        code, sentence = explain(error)
        found = Tried(name=clean(name), said=clean(sentence or f"{type(error).__name__}: {error}"),
                      exit_code=TRANSIENT if code == TRANSIENT else PERMANENT)  # fmt: skip
    say(f"{'FAIL' if found.exit_code else 'ok':<4}  {found.name}: {found.said}")
    return found


@contextmanager
def _scratch(data: Path) -> Iterator[Path]:
    """A folder of our own below `data`, which the first check makes."""
    here = data / f".doctor-{uuid.uuid4().hex}"
    try:
        yield here
    finally:
        shutil.rmtree(here, ignore_errors=True)


def gpu() -> str:
    """By nvidia-smi, else by the device files; and by torch, where that is installed."""
    seen = _smi() or [path.name for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    if not seen:
        raise PermanentError(
            "none is visible: in a pod ask for nvidia.com/gpu in its limits, on a machine install "
            "the driver"
        )
    done = subprocess.run([sys.executable, "-c", CUDA], capture_output=True, text=True, check=False)
    if "No module named 'torch'" in done.stderr:
        return f"{', '.join(seen)} (torch is not installed here)"
    count, _, cuda = done.stdout.strip().partition(" ")
    if done.returncode or count in ("", "0"):
        raise PermanentError(f"{', '.join(seen)} is there, but torch (CUDA {cuda or 'unknown'}) "
                             "cannot use it: the driver may be too old")  # fmt: skip
    return f"{', '.join(seen)}; torch sees {count}, CUDA {cuda}"


def _smi() -> list[str]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version",
               "--format=csv,noheader"]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def free_port(port: int) -> str:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("", port))
            tried.listen(1)
        except (OSError, OverflowError) as error:
            raise PermanentError(f"metrics cannot be served here ({error}): end what uses the "
                                 "port, or choose another with --port") from None  # fmt: skip
    return "metrics can be served"


def _process() -> str:
    uid = os.geteuid()
    root = "read-only" if os.statvfs("/").f_flag & os.ST_RDONLY else "writable"
    return f"uid {uid}{' (root)' if uid == 0 else ''}, root file system {root}"
