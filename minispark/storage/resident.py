"""The memory of this process, as the system sees it. Knows nothing of budgets."""

from __future__ import annotations

import os

_PAGE = os.sysconf("SC_PAGE_SIZE")


_PATH = "/proc/self/statm"


def file_bytes() -> int:
    """What this process has mapped of files and shares with others; 0 if unknown."""
    try:
        with open(_PATH, "rb", buffering=0) as statm:
            return int(statm.read(128).split()[2]) * _PAGE
    except OSError:
        return 0  # another system


class PrivateMemory:
    """What no file and no other process stands behind, of the process that made it.

    Keeps the system's file open, so that a look takes a microsecond: for processes that
    end with it.
    """

    def __init__(self) -> None:
        try:
            self._fd = os.open(_PATH, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def num_bytes(self) -> int:
        """How much it is now; 0 if unknown."""
        if self._fd < 0:
            return 0
        _, resident, shared, *_ = os.pread(self._fd, 128, 0).split()
        return (int(resident) - int(shared)) * _PAGE
