"""What a committed shard says about itself. The manifest's existence *is* the commit."""

from __future__ import annotations

import hashlib
from collections import Counter

from pydantic import Field

from pipeline.documents import FILTERED, Doc

#: The last key of a sealed document: the digest of all that stands before.
CHECK = "check"
MARK = f',"{CHECK}":"'.encode()


class Member(Doc):
    """One file inside the tar: its name after the key, where its bytes lie, and their digest."""

    name: str
    offset: int
    size: int
    sha256: str


class Rejected(Doc):
    key: str
    reason: str
    detail: str = ""

    @property
    def outcome(self) -> str:
        return "filtered" if self.reason in FILTERED else "quarantined"


class Attempt(Doc):
    """How this attempt went. Never part of any digest: two attempts differ only in here. `gpu` is
    the name of the device it held, "" of none. `salvaged` samples were taken over from attempts
    that were killed, which had spent `salvaged_seconds` on them."""

    id: str
    host: str = ""
    started: float = 0.0
    seconds: float = 0.0
    phases: dict[str, float] = Field(default_factory=dict)
    peak_rss_mib: int = 0
    gpu: str = ""
    salvaged: int = 0
    salvaged_seconds: float = 0.0


class Manifest(Doc):
    """`ids_in = out + filtered + quarantined`; `parents` names the tar digest of all that was read.

    `records` also holds the records of filtered samples: they are kept, apart from `out`.
    """

    dataset: str
    shard: int
    tar: str
    bytes: int
    sha256: str
    ids_in: tuple[str, ...]
    records: dict[str, tuple[Member, ...]]
    rejected: tuple[Rejected, ...]
    parents: dict[str, str]
    config: str
    code: str
    model: str
    seeds: str
    attempt: Attempt

    def counts(self) -> Counter[str]:
        """Samples by outcome: `in`, `out`, `filtered`, `quarantined`."""
        found = Counter(item.outcome for item in self.rejected)
        declined = {item.key for item in self.rejected}
        found["in"] = len(self.ids_in)
        found["out"] = sum(key in self.records and key not in declined for key in self.ids_in)
        return found

    def balanced(self) -> bool:
        """Every sample that came in left by exactly one door."""
        outcomes = self.counts()
        declined = [item.key for item in self.rejected]
        unique = len(set(self.ids_in)) == len(self.ids_in) and len(set(declined)) == len(declined)
        known = set(declined) <= set(self.ids_in)
        total = outcomes["out"] + outcomes["filtered"] + outcomes["quarantined"]
        return unique and known and outcomes["in"] == total


def sealed(manifest: Manifest) -> bytes:
    """The bytes of a manifest's file: JSON whose last key is the digest of what stands before."""
    return seal(manifest.model_dump_json().encode())


def seal(document: bytes) -> bytes:
    """A JSON object, with one more key that is the digest of the others."""
    body = document[:-1]
    return body + MARK + _digest(body) + b'"}'


def unsealed(data: bytes) -> bytes:
    """The JSON that was sealed, without its digest; ValueError if a single bit differs."""
    body, mark, end = data.rpartition(MARK)
    if not mark:
        raise ValueError("it does not end with its own digest: it was cut short, or is of an older "
                         "version")  # fmt: skip
    if end != _digest(body) + b'"}':
        raise ValueError("it does not match its own digest")
    return body + b"}"


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:32].encode()
