"""The file of one persisted block: frames, then what run they are of and the checksums of both.

::

    frames | crc32 up to each step u32[S] | bytes of the frames u64 | run u32
    | crc32 of run and frames u32 | crc32 of all behind the frames u32 | magic 4 bytes

Knows nothing of who holds blocks, nor when they are made or dropped.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from minispark.plan.spec import BlockKey
from minispark.storage.checked import (
    StepSums,
    checked,
    pack_steps,
    step_count,
    unpack_steps,
)
from minispark.storage.serializer import dump_records, iter_frames

_HEAD, _TAIL = struct.Struct("<QII"), struct.Struct("<I4s")
_END_BYTES = _HEAD.size + _TAIL.size
_MAGIC = b"MSB3"


def block_prefix(rdd_id: int) -> str:
    """What the names of an RDD's files begin with, relative to the node's directory."""
    return f"rdd/r{rdd_id}_"


def block_name(block: BlockKey) -> str:
    """The block's file relative to the node's directory."""
    return f"{block_prefix(block[0])}{block[1]}.block"


def block_file(records: Iterable[Any], run: int = 0) -> Iterator[bytes | memoryview]:
    """The chunks of a block's file."""
    sums = StepSums(run)
    yield from sums.passed(dump_records(records))
    end = pack_steps(sums.steps) + _HEAD.pack(sums.length, run, sums.crc)
    yield end + _TAIL.pack(zlib.crc32(end), _MAGIC)


def open_block(data: memoryview, run: int = 0) -> Iterator[list[Any]] | None:
    """The frames of a block's file; None when it is of an earlier run, short or changed.

    Of a large one only the end is looked at now: it raises `ChangedError` instead of
    giving a frame that is not what was written.
    """
    found = _parts(data)
    if found is None or found[1] < run:
        return None
    frames, made, crc, steps = found
    body = checked(frames, crc, made, steps)
    return None if body is None else iter_frames(body)


def is_whole(data: memoryview) -> bool:
    """Whether all of a block's file is what was written."""
    found = _parts(data)
    return found is not None and zlib.crc32(found[0], found[1]) == found[2]


def run_of(data: memoryview) -> int:
    """The run that a block's file says it is of; -1 when it is none."""
    found = _parts(data)
    return -1 if found is None else found[1]


def _parts(data: memoryview) -> tuple[memoryview, int, int, tuple[int, ...]] | None:
    """Frames, run, checksum, those up to each step; None when the end is not what was written."""
    begin = len(data) - _END_BYTES
    if begin < 0:
        return None
    size, made, crc = _HEAD.unpack_from(data, begin)
    if size + 4 * step_count(size) != begin:
        return None
    end = bytes(data[size:])
    if _TAIL.unpack_from(end, len(end) - _TAIL.size) != (zlib.crc32(end[: -_TAIL.size]), _MAGIC):
        return None
    return data[:size], made, crc, unpack_steps(end[:-_END_BYTES])
