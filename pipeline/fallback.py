"""How often this process cut a batch because the device was full.

Jobs know it, and neither log nor count; the loop does both and knows nothing of devices. Here the
one tells the other.
"""

from __future__ import annotations

_cuts = 0


def cut() -> None:
    """A batch did not fit and is tried with fewer rows."""
    global _cuts
    _cuts += 1


def taken() -> int:
    """Cuts since the last call."""
    global _cuts
    found, _cuts = _cuts, 0
    return found
