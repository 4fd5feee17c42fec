"""Machine code for loops that numpy has no word for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function`, compiled by numba when it is first called; it does not hold the interpreter lock.

    Modules that use this import numba, half a second, and are therefore imported inside of the
    functions that call them. The machine code is kept where numba may write: NUMBA_CACHE_DIR,
    beside the source, or the user's cache folder. Where none of them can be written, as in a
    container with a read-only root, each process compiles anew.
    """
    import numba

    try:
        return cast(Function, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # "no locator available": there is no such folder
        return cast(Function, numba.njit(nogil=True)(function))
