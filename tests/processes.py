"""Which processes of a run are alive."""

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
