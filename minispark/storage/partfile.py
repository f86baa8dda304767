"""Partitions of a checkpoint: one file each, complete or not there.

A file is frames, each behind its length and CRC-32, and an end mark with the
number of frames, so that a file cut short is never taken for a whole one.
"""

from __future__ import annotations

import contextlib
import os
import struct
import uuid
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from minispark.errors import PySparkRuntimeError, disk_errors
from minispark.storage.serializer import FrameReader, dump_records

_HEAD = struct.Struct("<QI")
_END = 0xFFFFFFFFFFFFFFFF


def part_path(directory: str, partition: int) -> str:
    """The file of one partition."""
    return os.path.join(directory, f"part-{partition:05d}")


def write_part(directory: str, partition: int, records: Iterable[Any]) -> None:
    """Writes a partition; its file appears when it is complete."""
    os.makedirs(directory, exist_ok=True)
    path = part_path(directory, partition)
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with disk_errors(temporary), open(temporary, "xb") as file:
            count = 0
            for frame in dump_records(records):
                file.write(_HEAD.pack(len(frame), zlib.crc32(frame)))
                file.write(frame)
                count += 1
            file.write(_HEAD.pack(_END, count))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def read_part(directory: str, partition: int) -> Iterator[Any]:
    """The records of a partition, lazily.

    Raises
    ------
    PySparkRuntimeError
        The file is missing, cut short or changed: a checkpoint has no lineage
        left to compute it from.
    """
    path = part_path(directory, partition)
    try:
        file = open(path, "rb")  # noqa: SIM115  closed when the generator ends
    except FileNotFoundError as error:
        raise _damaged(path, "it is missing") from error
    reader = FrameReader()
    with file:
        count = 0
        while True:
            head = file.read(_HEAD.size)
            if len(head) != _HEAD.size:
                raise _damaged(path, "it is cut short")
            length, crc = _HEAD.unpack(head)
            if length == _END:
                if crc != count:
                    raise _damaged(path, f"it has {count} frames instead of {crc}")
                return
            frame = file.read(length)
            if len(frame) != length or zlib.crc32(frame) != crc:
                raise _damaged(path, f"frame {count} is not what was written")
            count += 1
            for batch in reader.frames(frame):
                yield from batch


def _damaged(path: str, why: str) -> PySparkRuntimeError:
    return PySparkRuntimeError(
        f"the checkpoint file {path} cannot be used: {why}", "CHECKPOINT_DAMAGED"
    )
