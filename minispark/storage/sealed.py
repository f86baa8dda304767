"""Whole files with a seal at their end: what is read is what was written.

::

    contents | crc32 up to each step u32[S] | bytes of the contents u64 | stamp u32
    | crc32 of stamp and contents u32 | crc32 of all behind the contents u32 | magic 4 bytes

For files that are mapped and read as one: blocks, broadcasts. Knows nothing of what
they hold, nor of who reads them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from minispark.errors import CorruptFileError
from minispark.storage.checked import (
    ChangedError,
    Checked,
    StepSums,
    checked,
    pack_steps,
    step_count,
    unpack_steps,
)
from minispark.storage.values import load_value

_HEAD, _TAIL = struct.Struct("<QII"), struct.Struct("<I4s")
_END_BYTES = _HEAD.size + _TAIL.size
_MAGIC = b"MSF4"


def sealed(chunks: Iterable[bytes | memoryview], stamp: int = 0) -> Iterator[bytes | memoryview]:
    """The chunks of a file, and its seal behind them.

    Parameters
    ----------
    stamp
        A number that tells the file from others of its name.
    """
    sums = StepSums(stamp)
    yield from sums.passed(chunks)
    end = pack_steps(sums.steps) + _HEAD.pack(sums.length, stamp, sums.crc)
    yield end + _TAIL.pack(zlib.crc32(end), _MAGIC)


class Seal:
    """A file whose end is what was written; its contents have not been looked at.

    Attributes
    ----------
    stamp
        What its writer called it.
    """

    __slots__ = ("_contents", "_crc", "_steps", "stamp")

    def __init__(self, contents: memoryview, stamp: int, crc: int, steps: tuple[int, ...]) -> None:
        self._contents = contents
        self.stamp = stamp
        self._crc = crc
        self._steps = steps

    def contents(self) -> memoryview | Checked | None:
        """The contents, to be read once; None when they are not what was written.

        Large ones are checked when they are read, which raises `ChangedError`.
        """
        return checked(self._contents, self._crc, self.stamp, self._steps, origin=0)

    def is_whole(self) -> bool:
        """Whether all of the contents is what was written."""
        return zlib.crc32(self._contents, self.stamp) == self._crc


def seal_of(data: memoryview) -> Seal | None:
    """The seal of a file; None when its end is not what was written."""
    begin = len(data) - _END_BYTES
    if begin < 0:
        return None
    size, stamp, crc = _HEAD.unpack_from(data, begin)
    if size + 4 * step_count(size) != begin:
        return None
    end = bytes(data[size:])
    if _TAIL.unpack_from(end, len(end) - _TAIL.size) != (zlib.crc32(end[: -_TAIL.size]), _MAGIC):
        return None
    return Seal(data[:size], stamp, crc, unpack_steps(end[:-_END_BYTES]))


def load_sealed(data: memoryview, name: str, copy: bool = False) -> Any:
    """The value whose chunks (of `dump_value`) were sealed; see `load_value`.

    Raises
    ------
    CorruptFileError
        It is not what was written; `name` says which file it is.
    """
    seal = seal_of(data)
    try:
        contents = None if seal is None else seal.contents()
        if contents is not None:
            return load_value(contents, copy)
    except ChangedError as error:
        raise CorruptFileError(_damaged(name)) from error
    raise CorruptFileError(_damaged(name))


def _damaged(name: str) -> str:
    return f"{name} is damaged: it is not what was written"
