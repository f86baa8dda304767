"""Payloads between file servers, compressed where they leave the machine.

A payload is cut into chunks of 1 MiB. Before each travels its length on the
wire, with a bit that says when the chunk does not shrink and goes as it is. What
is checked and what is stored is always the payload itself: neither files nor
checksums know of this. Knows nothing of requests.
"""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from minispark.conf import SparkConf
from minispark.runtime.file_wire import PeerRefused, receive_into
from minispark.shuffle.format import CorruptBlockError

CHUNK = 1 << 20
#: Piece in which `Received` gives what comes; whole chunks.
MAX_PIECE = 8 * CHUNK
#: Payloads smaller than this gain nothing.
MIN_BYTES = 4 << 10

_HEAD = struct.Struct("<I")
_AS_IT_IS = 1 << 31
#: A chunk that shrinks by less goes as it is,
_MIN_GAIN = 0.05
#: and so do so many after it, without a try.
_CHUNKS_OFF = 7


def configured_codec(conf: SparkConf) -> str | None:
    """The name of the codec that the settings ask for, if any."""
    is_wanted = conf.value("spark.shuffle.compress")
    return str(conf.value("spark.io.compression.codec")) if is_wanted else None


@lru_cache
def codec_named(name: str | None) -> Any:
    """PyArrow's codec of Spark's name; None for None, and where there is none."""
    if name is None:
        return None
    import pyarrow as pa  # only where something is compressed

    name = {"lz4": "lz4_raw"}.get(name, name)
    # The levels above the first of zstd cost more than networks gain.
    level = 1 if name == "zstd" else None
    try:
        return pa.Codec(name, level) if pa.Codec.is_available(name) else None
    except ValueError:  # nothing PyArrow has ever heard of
        return None


def leaves_machine(sock: socket.socket) -> bool:
    """Whether the peer of a connection is on another machine."""
    if sock.family == socket.AF_UNIX:
        return False
    here, there = sock.getsockname()[0], sock.getpeername()[0]
    return bool(here != there)


def send_packed(sock: socket.socket, payload: Sequence[Any], codec: Any) -> int:
    """Sends the buffers, one after the other; how many bytes that took."""
    sent = off = 0
    for chunk in _chunks(payload):
        packed: Any = chunk
        if off:
            off -= 1
        else:
            # As bytes: a view of PyArrow's buffer shows what it had room for.
            packed = codec.compress(chunk, asbytes=True)
            if len(packed) > len(chunk) * (1 - _MIN_GAIN):
                packed, off = chunk, _CHUNKS_OFF
        head = _HEAD.pack(len(packed) | (_AS_IT_IS if packed is chunk else 0))
        sock.sendall(head)
        sock.sendall(packed)
        sent += len(head) + len(packed)
    return sent


def _chunks(payload: Sequence[Any]) -> Iterator[Any]:
    """The payload in pieces of `CHUNK` bytes, the last one shorter."""
    pending: list[Any] = []
    size = 0
    for buffer in payload:
        view = memoryview(buffer)
        while view:
            piece = view[: CHUNK - size]
            view = view[len(piece) :]
            pending.append(piece)
            size += len(piece)
            if size == CHUNK:
                yield piece if len(pending) == 1 else b"".join(pending)
                pending, size = [], 0
    if pending:
        yield pending[0] if len(pending) == 1 else b"".join(pending)


def receive_payload(sock: socket.socket, view: memoryview, codec: Any) -> None:
    """Fills the buffer with what `send_packed` sends, or, without a codec, as it is.

    Raises
    ------
    CorruptBlockError
        A chunk cannot be decompressed.
    """
    if codec is None:
        receive_into(sock, view)
        return
    head = bytearray(_HEAD.size)
    while view:
        piece, view = view[:CHUNK], view[CHUNK:]
        receive_into(sock, memoryview(head))
        (length,) = _HEAD.unpack(head)
        if length & _AS_IT_IS:
            if length ^ _AS_IT_IS != len(piece):
                raise PeerRefused(f"a chunk of {length ^ _AS_IT_IS} bytes, not {len(piece)}")
            receive_into(sock, piece)
            continue
        if length > len(piece):
            raise PeerRefused(f"a compressed chunk of {length} bytes for {len(piece)}")
        packed = bytearray(length)
        receive_into(sock, memoryview(packed))
        try:
            piece[:] = codec.decompress(packed, len(piece), asbytes=True)
        except (OSError, ValueError) as error:  # also what PyArrow raises
            raise CorruptBlockError(f"a chunk cannot be decompressed: {error}") from error


class Received(Iterator[bytes]):
    """The raw bytes that follow a `store`; can be read on after the writer failed."""

    def __init__(self, sock: socket.socket, size: int, crc: int, codec: Any) -> None:
        self._sock, self._left, self._crc, self._codec = sock, size, crc, codec
        self._seen = 0

    def __next__(self) -> bytes:
        if not self._left:
            if self._seen != self._crc:
                self._seen = self._crc
                raise CorruptBlockError("what was received does not have its checksum")
            raise StopIteration
        piece = bytearray(min(self._left, MAX_PIECE))
        receive_payload(self._sock, memoryview(piece), self._codec)
        self._left -= len(piece)
        self._seen = zlib.crc32(piece, self._seen)
        return bytes(piece)
