"""torchrun with this program's exit codes: `python -m training.torchrun 2 training.train --run ...`

torchrun itself ends with 1 whatever its workers ended with, so that "disk full" and "unknown key"
would look like a bug; it says so at length, after the worker's own last words; and its parser,
before Python 3.12, takes our `--run` for its `--run-path`.
"""

from __future__ import annotations

import logging
import signal
import sys

from pipeline import errors
from pipeline.errors import BUG, PERMANENT, SUSPECT, TRANSIENT, TransientError, guard


def main(argv: list[str]) -> int:
    """`argv`: the number of processes, the module, its arguments."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    logging.disable()  # of this agent, not of the workers, who have said what there is to say
    processes, *command = argv
    try:
        torchrun(["--standalone", "--nproc-per-node", processes, "-m", "--", *command])
    except ChildFailedError as error:
        codes = [failure.exitcode for failure in error.failures.values()]
        code = verdict(codes)
        if code == TRANSIENT and TRANSIENT not in codes:  # killed: nobody has told of it yet
            how = errors.outcome(min(codes, key=lambda one: (one == -signal.SIGTERM, one)))[1]
            raise TransientError(f"one of the processes was {how}") from None
        return code
    except SignalException as error:
        raise TransientError(f"stopped by {error.sigval.name}; {errors.AGAIN}") from None
    return 0


def verdict(codes: list[int]) -> int:
    """One code for ranks that ended with `codes`. When one goes, the others lose its connection and
    end with a traceback: so what was said on purpose comes first, then a kill (below zero), which
    the kernel or an operator did, and a bug only if there is nothing else. A SIGTERM counts only if
    nothing else does: it is how torchrun stops the ranks that are left."""
    said = [code for code in codes if code in (PERMANENT, SUSPECT, TRANSIENT)]
    if said:
        return said[0]
    ends = [code for code in codes if code != -signal.SIGTERM] or codes
    return TRANSIENT if min(ends) < 0 else BUG


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
