"""Which processes of a run are alive."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def living(session: int) -> list[int]:
    """Those of a session. A forked stage bears the command line of its server, so the processes of
    a run are found by the session that it was started in."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def stages(pids: Iterable[int]) -> set[str]:
    """The stages that processes of a run are at work for: each one's output goes to its log, which
    bears the name of its stage and partition."""
    found = set()
    for pid in pids:
        with suppress(OSError):  # it has ended
            log = Path(os.readlink(f"/proc/{pid}/fd/1"))
            if log.parent.name == "logs":
                found.add(log.stem.rpartition("-")[0])
    return found
