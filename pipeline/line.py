"""Objects from process to process, over a socket; arrays go as they lie in memory, uncopied."""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_NUMBER = struct.Struct("!Q")


@dataclass(frozen=True)
class Packed:
    """An object on its way: pickled, and the memory of its arrays."""

    pickled: bytes | bytearray
    buffers: Sequence[memoryview | bytearray]

    @classmethod
    def of(cls, what: Any) -> Packed:
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(what, 5, buffer_callback=buffers.append)
        return cls(pickled, [one.raw() for one in buffers])

    def unpacked(self) -> Any:
        return pickle.loads(self.pickled, buffers=self.buffers)

    def send(self, line: socket.socket) -> None:
        """Raises OSError if nobody is there any more."""
        parts = [self.pickled, *self.buffers]
        line.sendall(b"".join(map(_NUMBER.pack, [len(parts), *map(len, parts)])))
        for part in parts:
            line.sendall(part)


def receive(line: socket.socket) -> Packed:
    """Raises EOFError or OSError if nobody is there any more; of the latter TimeoutError, if the
    socket has a timeout."""
    (count,) = _NUMBER.unpack(_exactly(line, _NUMBER.size))
    sizes = [_NUMBER.unpack(_exactly(line, _NUMBER.size))[0] for _ in range(count)]
    pickled, *buffers = [_exactly(line, size) for size in sizes]
    return Packed(pickled, buffers)


def _exactly(line: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    left = memoryview(found)
    while left:
        if not (got := line.recv_into(left)):
            raise EOFError
        left = left[got:]
    return found
