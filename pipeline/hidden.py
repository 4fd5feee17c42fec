"""Secrets in what is about to be said: replaced, however they came there.

Our own sentences have none. But an error of a library may quote a request with its headers, and a
server may send back what it was sent; both end up in a log, an event or a pod's last words.
"""

from __future__ import annotations

import os
import re

#: What stands in place of a secret.
INSTEAD = "***"
#: Shorter values are not taken for secrets: they would tear holes into ordinary words.
SHORTEST = 8
#: Tokens by their look: the model hub's, and whatever follows such a word in a header.
_LOOKS = re.compile(r"\bhf_[A-Za-z0-9]{8,}|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,}")
#: Names of variables whose values are secrets.
_NAMES = re.compile(r"(?i)(TOKEN|SECRET|PASSWORD|API_?KEY)$")
#: Those that were read from files.
_known: set[str] = set()


def keep(secret: str) -> str:
    """Returns `secret`, which from here on is never said by this process."""
    if len(secret) >= SHORTEST:
        _known.add(secret)
    return secret


def hide(text: str) -> str:
    """`text` without the secrets that this process knows, or that look like ones."""
    values = {value for name, value in os.environ.items() if _NAMES.search(name)} | _known
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SHORTEST:
            text = text.replace(value, INSTEAD)
    return _LOOKS.sub(INSTEAD, text)
