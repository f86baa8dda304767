"""Exact reads from a file of any file system, through a window of its bytes.

Owns buffering, positions and the errors of files that end too early. Must not know
what the bytes mean.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from minispark.errors import CorruptFileError

_WINDOW_BYTES = 1 << 18
_LARGEST_READ = 1 << 20


class ByteStream:
    """A file that is read from a position on, in exact pieces."""

    def __init__(self, raw: BinaryIO, path: str) -> None:
        self._raw: Any = raw
        self.path = path
        self._window = b""
        #: The next byte, within the window.
        self._at = 0
        #: Where the window begins in the file.
        self._base = 0

    @property
    def position(self) -> int:
        """Where the next read begins in the file."""
        return self._base + self._at

    def seek(self, position: int) -> None:
        """Goes to a position; it may be behind the file's end."""
        if self._base <= position <= self._base + len(self._window):
            self._at = position - self._base
            return
        self._raw.seek(position)
        self._window, self._at, self._base = b"", 0, position

    def at_end(self) -> bool:
        """Whether no byte is left."""
        return self._at == len(self._window) and not self._fill()

    def starts_with(self, pattern: bytes) -> bool:
        """Whether the next bytes are these; reads no further than needed."""
        return not self.at_end() and self._window.startswith(pattern, self._at)

    def exactly(self, n: int) -> bytes:
        """The next `n` bytes.

        Raises
        ------
        CorruptFileError
            There are fewer.
        """
        at = self._at
        end = at + n
        if end <= len(self._window):
            self._at = end
            return self._window[at:end]
        parts = [self._window[at:]]
        left = n - len(parts[0])
        self._base += len(self._window)
        self._window, self._at = b"", 0
        while left > _WINDOW_BYTES:
            part = self._raw.read(min(left, _LARGEST_READ))
            if not part:
                raise self.corrupt("ends in the middle of a record")
            parts.append(part)
            left -= len(part)
            self._base += len(part)
        while left > 0:
            if not self._fill():
                raise self.corrupt("ends in the middle of a record")
            part = self._window[:left]
            parts.append(part)
            self._at = len(part)
            left -= len(part)
        return b"".join(parts)

    def find(self, pattern: bytes) -> bool:
        """Goes to the next occurrence of a pattern; False, at the end, if there is none."""
        while True:
            found = self._window.find(pattern, self._at)
            if found >= 0:
                self._at = found
                return True
            # The pattern may begin in this window and end in the next.
            tail = self._window[max(self._at, len(self._window) - len(pattern) + 1) :]
            self._at = len(self._window)
            if not self._fill():
                return False
            self._window = tail + self._window
            self._base -= len(tail)

    def last(self, n: int) -> bytes:
        """The file's last `n` bytes, or all of a shorter one; goes to its end."""
        size = self._raw.seek(0, 2)
        self._raw.seek(max(0, size - n))
        self._window, self._at, self._base = b"", 0, max(0, size - n)
        return self.exactly(min(n, size))

    def corrupt(self, what: str) -> CorruptFileError:
        """The error to raise for this file."""
        return CorruptFileError(f"{self.path} {what}", "CORRUPT_FILE", {"path": self.path})

    def close(self) -> None:
        """Releases the file."""
        self._raw.close()

    def _fill(self) -> bool:
        """Reads the next window, once this one is used up."""
        self._base += len(self._window)
        self._window, self._at = self._raw.read(_WINDOW_BYTES), 0
        return bool(self._window)
