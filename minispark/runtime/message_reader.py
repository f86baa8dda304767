"""Reads the messages that have arrived on a connection, all that there are, at once.

`Connection.recv_bytes` takes two system calls for each message, and when many
small ones wait, its caller learns of them one by one. Knows the framing of
`multiprocessing.connection`, not what the messages say.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

#: Read at a time; longer messages take several reads.
_CHUNK = 1 << 16

_SHORT = struct.Struct("!i")
_LONG = struct.Struct("!Q")


class MessageReader:
    """The reading end of one connection; `read` when the socket is readable."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._chunk = bytearray(_CHUNK)
        self._view = memoryview(self._chunk)
        #: The beginning of a message whose end has not arrived.
        self._pending = bytearray()

    def read(self) -> list[bytes]:
        """The messages that one read completes, maybe none; `EOFError` at the end."""
        size = self._socket.recv_into(self._chunk)
        if not size:
            raise EOFError
        data: bytearray | memoryview = self._view[:size]
        if self._pending:
            self._pending += data
            data = self._pending
        messages = []
        start = 0
        with memoryview(data) as view:
            while (span := _next(view, start)) is not None:
                begin, end = span
                messages.append(bytes(view[begin:end]))
                start = end
            rest = bytes(view[start:]) if self._pending is not data else None
        if rest is not None:
            self._pending += rest
        else:
            del self._pending[:start]
        return messages


def _next(view: memoryview, start: int) -> tuple[int, int] | None:
    """Where the body of the message at `start` is, if it is all there."""
    begin = start + 4
    if len(view) < begin:
        return None
    (length,) = _SHORT.unpack_from(view, start)
    if length < 0:
        begin += 8
        if len(view) < begin:
            return None
        (length,) = _LONG.unpack_from(view, start + 4)
    return (begin, begin + length) if len(view) >= begin + length else None
