"""The memory of this process, as the system sees it. Knows nothing of budgets."""

from __future__ import annotations

import os

_PAGE = os.sysconf("SC_PAGE_SIZE")


class ResidentMemory:
    """Looks at the process that made it; costs some microseconds a time."""

    def __init__(self) -> None:
        try:
            self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1  # another system

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def private_bytes(self) -> int:
        """What no file and no other process stands behind; 0 if unknown."""
        resident, shared = self._pages()
        return (resident - shared) * _PAGE

    def file_bytes(self) -> int:
        """What is mapped of files; 0 if unknown."""
        return self._pages()[1] * _PAGE

    def _pages(self) -> tuple[int, int]:
        if self._fd < 0:
            return 0, 0
        _, resident, shared, *_ = os.pread(self._fd, 128, 0).split()
        return int(resident), int(shared)
