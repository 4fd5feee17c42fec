"""torchrun with this program's exit codes: `python -m training.torchrun 2 training.train --run ...`

torchrun itself ends with 1 whatever its workers ended with, so that "disk full" and "unknown key"
would look like a bug; and its parser, before Python 3.12, takes our `--run` for its `--run-path`.
"""

from __future__ import annotations

import sys

from pipeline.errors import BUG, PERMANENT, SUSPECT, TRANSIENT, guard


def main(argv: list[str]) -> int:
    """`argv`: the number of processes, the module, its arguments."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    processes, *command = argv
    try:
        torchrun(["--standalone", "--nproc-per-node", processes, "-m", "--", *command])
    except ChildFailedError as error:
        return verdict([failure.exitcode for failure in error.failures.values()])
    except SignalException:
        return TRANSIENT
    return 0


def verdict(codes: list[int]) -> int:
    """One code for ranks that ended with `codes`. When one goes, the others lose its connection and
    end with a traceback: so what was said on purpose comes first, then a kill (below zero), which
    the kernel or an operator did, and a bug only if there is nothing else."""
    said = [code for code in codes if code in (PERMANENT, SUSPECT, TRANSIENT)]
    return said[0] if said else TRANSIENT if min(codes) < 0 else BUG


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
