"""torchrun with this program's exit codes: `python -m training.torchrun 2 training.train --run ...`

In a pod of an Indexed Job, `job` in the place of the number: one process here, and the others in
the Job's other pods, found by NNODES, JOB_COMPLETION_INDEX, MASTER_ADDR and MASTER_PORT.

torchrun itself ends with 1 whatever its workers ended with, so that "disk full" and "unknown key"
would look like a bug; it says so at length, after the worker's own last words; and its parser,
before Python 3.12, takes our `--run` for its `--run-path`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress

from pipeline import errors
from pipeline.errors import (
    BUG,
    PERMANENT,
    SUSPECT,
    TRANSIENT,
    ConfigError,
    TransientError,
    guard,
)

#: What a pod of an Indexed Job is told; Kubernetes itself sets the second.
JOB = ("NNODES", "JOB_COMPLETION_INDEX", "MASTER_ADDR", "MASTER_PORT")
#: Seconds that the pods of a Job wait for each other: long enough to pull an image.
WAIT = 1800


def main(argv: list[str]) -> int:
    """`argv`: the number of processes or `job`, the module, its arguments."""
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    logging.disable()  # of this agent, not of the workers, who have said what there is to say
    processes, *command = argv
    where = in_job() if processes == "job" else ["--standalone", "--nproc-per-node", processes]
    try:
        torchrun([*where, "-m", "--", *command])
    except ChildFailedError as error:
        codes = [failure.exitcode for failure in error.failures.values()]
        code = verdict(codes)
        if code == TRANSIENT and TRANSIENT not in codes:  # killed: nobody has told of it yet
            how = errors.outcome(min(codes, key=lambda one: (one == -signal.SIGTERM, one)))[1]
            raise TransientError(f"one of the processes was {how}") from None
        return code
    except SignalException as error:
        raise TransientError(f"stopped by {error.sigval.name}; {errors.AGAIN}") from None
    except DistError:  # the agent's own: it raises this only while it looks for the others
        raise TransientError(f"the {os.environ.get('NNODES')} pods of this Job did not all find "
                             f"each other within {WAIT} s; {errors.AGAIN}") from None  # fmt: skip
    return 0


def in_job() -> list[str]:
    """torchrun's arguments in a pod of an Indexed Job."""
    for name in [name for name in JOB if not os.environ.get(name)]:
        raise ConfigError(f"{name} is not set: `job` is for the pods of an Indexed Job")
    nodes, index, address, port = (os.environ[name] for name in JOB)
    if index != "0":
        reach(address, int(port))
    return ["--nnodes", nodes, "--node-rank", index, "--nproc-per-node", "1", "--rdzv-conf",
            f"timeout={WAIT}", "--master-addr", address, "--master-port", port]  # fmt: skip


def reach(address: str, port: int) -> None:
    """Wait until pod 0 answers, which may still be pulling its image. torch would wait as well, but
    without hearing SIGTERM. Raises a TransientError after WAIT seconds."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((address, port), timeout=5):
            return
        time.sleep(1)
    raise TransientError(f"pod 0 of this Job did not answer at {address}:{port} within {WAIT} s; "
                         f"{errors.AGAIN}")  # fmt: skip


def verdict(codes: list[int]) -> int:
    """One code for ranks that ended with `codes`. When one goes, the others lose its connection: so
    what was said on purpose comes first, and of that what no other attempt mends; then a kill
    (below zero), which the kernel or an operator did, and a bug only if there is nothing else. A
    SIGTERM counts only if nothing else does: it is how torchrun stops the ranks that are left."""
    said = [code for code in (PERMANENT, SUSPECT, TRANSIENT) if code in codes]
    if said:
        return said[0]
    ends = [code for code in codes if code != -signal.SIGTERM] or codes
    return TRANSIENT if min(ends) < 0 else BUG


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
