"""What a run on a cluster may be called: a folder, a label and an Argo parameter at once."""

from __future__ import annotations

import re

from pipeline.errors import InputError

#: A valid folder name, Kubernetes label value and DNS name at once.
PATTERN = r"^[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?$"


def checked(run: str) -> str:
    """`run` itself. Raises InputError, which quotes it with its control characters escaped."""
    if not re.fullmatch(PATTERN.strip("^$"), run):
        raise InputError(
            f"{run!r} cannot be a run id: give 1 to 52 of a-z, 0-9, '-' and '.', "
            "beginning and ending with a letter or a digit"
        )
    return run
