"""The file of one map output: all its blocks, then where each is and its checksum.

::

    blocks in reduce order | offsets int64[R+1] | crc32 uint32[R]
    | crc32 up to each whole step of each block uint32[S]
    | crc32 of all behind the blocks uint32 | R uint32 | S uint32 | magic 8 bytes

One file per attempt of a map task, named by it, so attempts never mix. Knows
nothing of records, nor of who reads. All numbers are little-endian.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

from minispark.errors import PySparkRuntimeError
from minispark.storage.checked import (
    Checked,
    StepSums,
    checked,
    is_small,
    step_count,
    unpack_steps,
)
from minispark.storage.mapped import is_mapped

MAGIC = b"MSSHUF02"
_TRAILER = struct.Struct("<III8s")
_OFFSET = struct.Struct("<q")
_CRC = struct.Struct("<I")
_LOG_BASE = math.log(1.1)


class CorruptBlockError(PySparkRuntimeError):
    """What was read is not what was written: short, changed or not ours."""


def map_output_name(shuffle_id: int, map_id: int, attempt: int) -> str:
    """The file's name relative to the node's directory."""
    return f"shuffle/s{shuffle_id}_{map_id}_{attempt}.data"


def shuffle_prefix(shuffle_id: int) -> str:
    """What the names of all files of a shuffle begin with."""
    return f"shuffle/s{shuffle_id}_"


def encode_size(num_bytes: int) -> int:
    """A size as one byte: 0 is empty, n is at most 1.1 to the power n."""
    if num_bytes <= 0:
        return 0
    return min(255, max(1, math.ceil(math.log(num_bytes) / _LOG_BASE)))


def decode_size(code: int) -> int:
    """About the size that `encode_size` was given, at most 10 % more."""
    return int(1.1**code) if code else 0


class BlockLayout:
    """Lays blocks out one after the other; then knows their footer."""

    def __init__(self) -> None:
        self._offset = 0
        self.lengths: list[int] = []
        self._crcs: list[int] = []
        self._steps: list[int] = []

    def block(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """Passes the chunks of the next block on, counting them."""
        sums = StepSums()
        yield from sums.passed(chunks)
        self.lengths.append(sums.length)
        self._crcs.append(sums.crc)
        self._steps += sums.steps

    def footer(self) -> bytes:
        """What comes after the last block."""
        offsets = [0]
        for length in self.lengths:
            offsets.append(offsets[-1] + length)
        count, steps = len(self.lengths), len(self._steps)
        numbers = (*offsets, *self._crcs, *self._steps)
        index = struct.pack(f"<{count + 1}q{count + steps}I", *numbers)
        return index + _TRAILER.pack(zlib.crc32(index), count, steps, MAGIC)


def write(blocks: Iterable[Iterable[bytes | memoryview]]) -> Iterator[bytes | memoryview]:
    """The chunks of a whole file, given the chunks of each block."""
    layout = BlockLayout()
    for block in blocks:
        yield from layout.block(block)
    yield layout.footer()


class MapOutputIndex:
    """Where the blocks of one map output are; made by `open_index`."""

    __slots__ = ("_crcs", "_data", "_offsets", "_steps", "is_mapped", "num_reducers")

    def __init__(
        self, data: memoryview, offsets: memoryview, crcs: memoryview, steps: memoryview
    ) -> None:
        self._data = data
        self._offsets = offsets
        self._crcs = crcs
        self._steps = steps
        self.num_reducers: int = len(crcs) // 4
        #: Whether pages of a mapped file stay when one of its small blocks was read.
        self.is_mapped: bool = is_mapped(data)

    def block(self, reduce_id: int) -> memoryview | Checked:
        """One block, verified; what changes in the file from now on changes nothing in it.

        A large one is checked while it is read, and raises `ChangedError` then.

        Raises
        ------
        CorruptBlockError
            Its bytes do not have the checksum they were written with.
        """
        offset, length, crc = raw_block_range(self, reduce_id)
        block = self._data[offset : offset + length]
        if len(block) != length:
            raise CorruptBlockError(f"a block has {len(block)} bytes instead of {length}")
        steps = None if is_small(length) else self._steps_of(reduce_id)
        found = checked(block, crc, steps=steps, origin=offset)
        if found is None:
            raise CorruptBlockError(f"a block of {length} bytes does not have its checksum")
        return found

    def is_whole(self, reduce_id: int) -> bool:
        """Whether all bytes of a block have the checksum they were written with."""
        offset, length, crc = raw_block_range(self, reduce_id)
        block = self._data[offset : offset + length]
        return len(block) == length and zlib.crc32(block) == crc

    def _steps_of(self, reduce_id: int) -> tuple[int, ...]:
        offsets = struct.unpack_from(f"<{reduce_id + 2}q", self._offsets)
        counts = [step_count(end - begin) for begin, end in pairwise(offsets)]
        first = sum(counts[:-1])
        return unpack_steps(self._steps[4 * first : 4 * (first + counts[-1])])


def open_index(data: memoryview) -> MapOutputIndex:
    """The index of a map output file.

    Raises
    ------
    CorruptBlockError
        The file is short, or not a map output, or its index was changed.
    """
    size = len(data)
    if size < _TRAILER.size:
        raise CorruptBlockError(f"a map output of {size} bytes is too short")
    index_crc, count, num_steps, magic = _TRAILER.unpack_from(data, size - _TRAILER.size)
    start = size - _TRAILER.size - 12 * count - 8 - 4 * num_steps
    if magic != MAGIC or start < 0:
        raise CorruptBlockError("the end of a map output is missing")
    index = data[start : size - _TRAILER.size]
    if zlib.crc32(index) != index_crc:
        raise CorruptBlockError("the index of a map output was changed")
    offsets, crcs = index[: 8 * count + 8], index[8 * count + 8 : 12 * count + 8]
    if _OFFSET.unpack_from(offsets, 8 * count)[0] != start:
        raise CorruptBlockError(f"a map output has not the {start} bytes its index says")
    return MapOutputIndex(data, offsets, crcs, index[12 * count + 8 :])


def raw_block_range(index: MapOutputIndex, reduce_id: int) -> tuple[int, int, int]:
    """`(offset, length, crc32)` of one block in the file, not verified."""
    begin, end = struct.unpack_from("<qq", index._offsets, 8 * reduce_id)
    (crc,) = _CRC.unpack_from(index._crcs, 4 * reduce_id)
    return begin, end - begin, crc


def verified(block: memoryview, length: int, crc: int) -> memoryview:
    """The block itself, which nobody else can change, when it has this length and checksum.

    Raises
    ------
    CorruptBlockError
        It has not.
    """
    if len(block) != length:
        raise CorruptBlockError(f"a block has {len(block)} bytes instead of {length}")
    if zlib.crc32(block) != crc:
        raise CorruptBlockError(f"a block of {length} bytes does not have its checksum")
    return block
