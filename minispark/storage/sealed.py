"""Whole files with a seal at their end: what is read is what was written.

::

    contents | length u64 | crc32 u32 | magic 4 bytes

For files that are mapped and read as one (broadcasts). Knows nothing of what
they hold, nor of who reads them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from minispark.errors import CorruptFileError
from minispark.storage.checked import Checked, checked

_SEAL = struct.Struct("<QI4s")
_MAGIC = b"MSWF"


def sealed(chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The chunks of a file, and its seal behind them."""
    length = crc = 0
    for chunk in chunks:
        length += len(chunk)
        crc = zlib.crc32(chunk, crc)
        yield chunk
    yield _SEAL.pack(length, crc, _MAGIC)


def unsealed(data: memoryview, name: str) -> memoryview | Checked:
    """The contents of a file, to be read once.

    Raises
    ------
    CorruptFileError
        It is not what was written; `name` says which file it is.
    """
    end = len(data) - _SEAL.size
    if end >= 0:
        length, crc, magic = _SEAL.unpack_from(data, end)
        contents = checked(data[:end], crc)
        if magic == _MAGIC and length == end and contents is not None:
            return contents
    raise CorruptFileError(f"{name} is damaged: it is not what was written")
