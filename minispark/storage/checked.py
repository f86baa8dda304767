"""Bytes of a mapped file, read as they were checked.

A mapped file shows what its disk gives at the moment of reading: a checksum
that was right a moment ago says nothing of the bytes that are decoded now. So
what is decoded is a private copy, and it is the copy that is checked.

What is small is copied whole, then checked. What is large is copied and checked
step by step, right before it is decoded: its writer noted the checksum up to each
step (`StepSums`). Where nobody did, it is checked as a whole first, which gives
the checksums of the steps. Copying costs a hundredth of unpickling, checking twice
a tenth (`docs/reliability.md`). Must not know what the bytes mean.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from minispark.errors import CorruptFileError
from minispark.storage.mapped import let_go

#: Up to this much is copied as a whole.
SMALL_BYTES = 1 << 20
#: What is copied and checked at once of what is larger. Part of the formats of files.
STEP_BYTES = 256 << 10
#: Pages of the file are given back when so much was copied of them.
_LET_GO_BYTES = 1 << 20


class ChangedError(CorruptFileError):
    """A file changed while it was read, or is not what was written."""


class StepSums:
    """The length and CRC-32 of bytes that come in chunks, and the CRC-32 up to each step."""

    __slots__ = ("crc", "length", "steps")

    def __init__(self, start: int = 0) -> None:
        self.crc: int = start
        self.length: int = 0
        #: Up to each whole step.
        self.steps: list[int] = []

    def passed(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """The chunks, counted; large ones in pieces.

        Each is counted when whoever takes it is done with it: bytes that were just
        copied are in the processor's cache, and their checksum takes half the time.
        """
        for chunk in chunks:
            if len(chunk) <= STEP_BYTES:
                yield chunk
                self.add(chunk)
                continue
            view = memoryview(chunk)
            for begin in range(0, len(view), STEP_BYTES):
                piece = view[begin : begin + STEP_BYTES]
                yield piece
                self.add(piece)

    def add(self, chunk: bytes | memoryview) -> None:
        """Counts what comes next."""
        room = STEP_BYTES - self.length % STEP_BYTES
        if len(chunk) < room:
            self.crc = zlib.crc32(chunk, self.crc)
            self.length += len(chunk)
            return
        view = memoryview(chunk)
        while len(view):
            part = view[:room]
            self.crc = zlib.crc32(part, self.crc)
            self.length += len(part)
            if len(part) == room:
                self.steps.append(self.crc)
            view, room = view[room:], STEP_BYTES


def is_small(length: int) -> bool:
    """Whether so many bytes are copied as a whole."""
    return length <= SMALL_BYTES


def step_count(length: int) -> int:
    """How many whole steps so many bytes are."""
    return length // STEP_BYTES


def unpack_steps(table: bytes | memoryview) -> tuple[int, ...]:
    """The checksums that `pack_steps` wrote."""
    return struct.unpack(f"<{len(table) // 4}I", table)


def pack_steps(steps: Sequence[int]) -> bytes:
    """Checksums as bytes of a file."""
    return struct.pack(f"<{len(steps)}I", *steps)


def checked(
    view: memoryview,
    crc: int,
    start: int = 0,
    steps: Sequence[int] | None = None,
    changed: Callable[[ChangedError], None] | None = None,
    origin: int | None = None,
) -> memoryview | Checked | None:
    """The bytes of a view, to be read once; None when their CRC-32 is another one.

    Parameters
    ----------
    start
        What the checksum began with.
    steps
        The checksums up to each whole step, as they were written. With them large bytes
        are checked only when they are read, which raises where they are not right.
    changed
        Told of that error before it is raised.
    origin
        Where large bytes begin in the file that is mapped, if its pages are to be given
        back when they were read.
    """
    if is_small(len(view)):
        copy = bytes(view)
        return memoryview(copy) if zlib.crc32(copy, start) == crc else None
    if steps is None:
        sums = StepSums(start)
        sums.add(view)
        if sums.crc != crc:
            return None
        steps = sums.steps
    if len(steps) != step_count(len(view)):
        return None
    return Checked(view, [start, *steps, crc], changed, origin)


class Checked:
    """The bytes of a large view, from their begin to their end, once.

    Parameters
    ----------
    crcs
        What the checksum began with, that up to each whole step, and that of all.
    origin
        See `checked`.
    """

    __slots__ = (
        "_begin",
        "_buffer",
        "_changed",
        "_copied",
        "_crcs",
        "_end",
        "_let_go",
        "_origin",
        "_view",
    )

    def __init__(
        self,
        view: memoryview,
        crcs: Sequence[int],
        changed: Callable[[ChangedError], None] | None = None,
        origin: int | None = None,
    ) -> None:
        self._view = view
        self._origin = origin
        #: The pages up to here were given back.
        self._let_go = 0
        self._crcs = crcs
        self._changed = changed
        #: How many bytes were copied and checked, and the last of them: `_begin` to `_end`
        #: of the buffer have not been read. It is used again: new memory costs more than
        #: the copy.
        self._copied = 0
        self._buffer = bytearray(STEP_BYTES)
        self._begin = self._end = 0

    def read(self, size: int) -> memoryview:
        """The next bytes, fewer at the end; valid until the next call.

        Raises
        ------
        ChangedError
            They are not what was written, or was checked at first.
        """
        if self._end - self._begin < size:
            self._copy(size)
        begin, self._begin = self._begin, min(self._begin + size, self._end)
        return memoryview(self._buffer)[begin : self._begin]

    def fill(self, target: bytearray) -> None:
        """Reads as many bytes as the target has, without holding more than a step besides.

        Raises
        ------
        ChangedError
            As `read`, and when there are fewer.
        """
        at = 0
        while at < len(target):
            part = self.read(min(STEP_BYTES, len(target) - at))
            if not part:
                raise ChangedError("a file ends before its contents")
            target[at : at + len(part)] = part
            at += len(part)

    def mapped(self, begin: int, end: int) -> memoryview:
        """Bytes of the file itself, behind all that was read: they are read and checked now.

        They are shared by whoever maps the file, and may still change.

        Raises
        ------
        ChangedError
            As `read`, and when there are fewer.
        """
        self._origin = None  # from here on they are needed
        at = self._copied - (self._end - self._begin)
        while at < end:
            part = self.read(min(STEP_BYTES, end - at))
            if not part:
                raise ChangedError("a file ends before its contents")
            at += len(part)
        return self._view[begin:end]

    def _copy(self, wanted: int) -> None:
        """Puts what was not read yet and the next steps into the buffer, from its begin."""
        left = self._end - self._begin
        wanted = min(wanted, left + len(self._view) - self._copied)
        room = left + -(-(wanted - left) // STEP_BYTES) * STEP_BYTES
        old = self._buffer
        if room > len(old):
            # A new one: somebody may still have a view of the old one.
            self._buffer = bytearray(room)
        self._buffer[:left] = old[self._begin : self._end]
        self._begin, self._end = 0, left
        target = memoryview(self._buffer)
        while self._end < wanted:
            step = self._copied // STEP_BYTES
            source = self._view[self._copied : self._copied + STEP_BYTES]
            piece = target[self._end : self._end + len(source)]
            piece[:] = source
            if zlib.crc32(piece, self._crcs[step]) != self._crcs[step + 1]:
                error = ChangedError("a file is not what was written, or changed while it was read")
                if self._changed is not None:
                    self._changed(error)
                raise error
            self._copied += len(piece)
            self._end += len(piece)
        is_due = self._copied - self._let_go >= _LET_GO_BYTES or self._copied == len(self._view)
        if self._origin is not None and is_due:
            let_go(self._view, self._origin + self._let_go, self._origin + self._copied)
            self._let_go = self._copied
