"""Bytes that are kept outside of the heap, and go back to the system when they are dropped.

Many freed blocks of some kilobytes stay with the process: whatever was allocated behind
them keeps the heap's end where it is, and what comes later spreads over their room. What
a task collects and drops at once is better kept in memory of its own. Knows nothing of
what the bytes mean.
"""

from __future__ import annotations

import mmap

#: Mapped at a time.
_CHUNK = 1 << 20
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Pages:
    """Memory of its own, as long as somebody has a view of it."""

    def __init__(self) -> None:
        self._chunk = memoryview(bytearray())
        self._used = 0

    def must_grow(self, data: bytes) -> bool:
        """Whether keeping these bytes takes more of the system's memory."""
        return self._used + len(data) > len(self._chunk)

    def keep(self, data: bytes) -> memoryview:
        """A copy of the bytes."""
        end = self._used + len(data)
        if self.must_grow(data):
            self._used, end = 0, len(data)
            self._chunk = memoryview(mmap.mmap(-1, max(_CHUNK, end), flags=_FLAGS))
        kept = self._chunk[self._used : end]
        kept[:] = data
        self._used = end
        return kept

    def clear(self) -> None:
        """What follows goes to other memory; views stay as they are."""
        self._chunk = memoryview(bytearray())
        self._used = 0
