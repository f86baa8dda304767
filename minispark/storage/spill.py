"""Spill files: what a task could not keep in memory, private to one structure.

A spill file has no name once it is open: whatever happens to the task or
its process, nothing is left behind. It goes with its last reader, so values
that outlive their task stay readable. Every frame carries a checksum.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from minispark.errors import PySparkRuntimeError, disk_errors
from minispark.storage.files import NodeFiles, open_nameless
from minispark.storage.serializer import FrameReader

_HEAD = struct.Struct("<QI")
_WRITE_BYTES = 1 << 18


class SpillRange(NamedTuple):
    """A run of frames in a spill file."""

    offset: int
    length: int


class SpillFile:
    """Frames appended to a nameless file, read back by range."""

    def __init__(self, files: NodeFiles) -> None:
        self._fd = -1
        self._path = files.temp("spill/x")
        with disk_errors(self._path):
            self._fd = open_nameless(self._path)
        self._size = 0
        #: What was appended but not written yet.
        self._pending: list[bytes | memoryview] = []
        self._pending_bytes = 0
        self._lock = threading.Lock()

    def append(self, frames: Iterable[bytes | memoryview]) -> SpillRange:
        """Adds frames and says where they are.

        Raises
        ------
        DiskFullError
            The disk, the quota or the limit of a file's size is exhausted.
        """
        begin = self._size
        for frame in frames:
            head = _HEAD.pack(len(frame), zlib.crc32(frame))
            added = _HEAD.size + len(frame)
            self._size += added
            if added >= _WRITE_BYTES:
                # As it is: put together with others it would be in memory twice.
                self._pending.append(head)
                self._flush()
                self._write(frame)
                continue
            self._pending += (head, frame)
            self._pending_bytes += added
            if self._pending_bytes >= _WRITE_BYTES:
                self._flush()
        return SpillRange(begin, self._size - begin)

    def raw(self, where: SpillRange) -> Iterator[bytes]:
        """The frames of a range as they were written, each verified."""
        self._flush()
        position, end = where.offset, where.offset + where.length
        while position < end:
            length, crc = _HEAD.unpack(self._read(_HEAD.size, position))
            # Not kept until the next one is asked for: many ranges may be read at a time.
            yield self._verified(length, crc, position + _HEAD.size)
            position += _HEAD.size + length

    def frames(self, where: SpillRange) -> Iterator[list[Any]]:
        """The records of a range, frame by frame."""
        return map(FrameReader().load, self.raw(where))

    def sized_frames(self, where: SpillRange) -> Iterator[tuple[list[Any], int]]:
        """The same, each with the bytes it has on disk."""
        load = FrameReader().load
        return ((load(frame), len(frame)) for frame in self.raw(where))

    def close(self) -> None:
        """Gives the space back; nothing can be read any more."""
        self._pending = []
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()

    def _read(self, num_bytes: int, position: int) -> bytes:
        data = os.pread(self._fd, num_bytes, position)
        while len(data) < num_bytes:
            # One call gives at most 2 GB.
            more = os.pread(self._fd, num_bytes - len(data), position + len(data))
            if not more:
                raise PySparkRuntimeError("A spill file is shorter than what was written to it")
            data += more
        return data

    def _verified(self, length: int, crc: int, position: int) -> bytes:
        frame = self._read(length, position)
        if zlib.crc32(frame) != crc:
            raise PySparkRuntimeError("A spill file does not have what was written to it")
        return frame

    def _flush(self) -> None:
        with self._lock:
            data = b"".join(self._pending)
            self._pending = []
            self._pending_bytes = 0
            self._write(data)

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        with disk_errors(self._path):
            while left:
                left = left[os.write(self._fd, left) :]
