"""Pages of mapped files, given back as soon as they were read.

A page of a mapped file counts as memory of the process that read it, for as long as
the file is mapped: reading through a shuffle would make a process as large as what it
reads. The page itself stays in the system's cache, for whoever reads it next. Knows
nothing of what files hold.
"""

from __future__ import annotations

import mmap

#: The system maps pages around the one that is read, so many bytes before and behind it.
_WINDOW = 1 << 21
_CAN = hasattr(mmap.mmap, "madvise") and hasattr(mmap, "MADV_DONTNEED")


def is_mapped(view: memoryview) -> bool:
    """Whether these are bytes of a mapped file."""
    return isinstance(view.obj, mmap.mmap)


def let_go(view: memoryview, begin: int, end: int) -> None:
    """Bytes `begin` to `end` of a mapped file are not needed for now; they can still be read.

    `view` is any view of the file, and positions are those in the file. Does nothing
    where `view` is of other memory.
    """
    source = view.obj
    if _CAN and isinstance(source, mmap.mmap) and begin < end:
        start = max(0, begin // _WINDOW - 1) * _WINDOW
        length = min(len(source), (end // _WINDOW + 2) * _WINDOW) - start
        source.madvise(mmap.MADV_DONTNEED, start, length)
