"""Files of pickled records: what `saveAsPickleFile` writes and `pickleFile` reads.

Owns the format: a magic, frames of (length, CRC-32, a pickled list of records), then a
frame of length 0 with the number of records, so that a cut file is found out. It is
minispark's own, not Hadoop's SequenceFile. Unpickling runs code: read only what you
trust.
"""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from minispark.errors import CorruptFileError
from minispark.kernels.compression import ByteReader, open_decompressed
from minispark.kernels.filesystem import FileInfo
from minispark.kernels.splits import FileSplit

__all__ = ["pickle_chunks", "pickle_splits", "read_pickle"]

_MAGIC = b"MINISPARKPICKLE1"
_FRAME = struct.Struct("<II")
_COUNT = struct.Struct("<Q")
#: What one frame may hold.
_MAX_FRAME_BYTES = (1 << 32) - 1
_READ_BYTES = 1 << 20


def pickle_chunks(records: Iterable[Any], batch_size: int = 10) -> Iterator[bytes]:
    """The bytes of a file with these records, `batch_size` of them in a frame."""
    from cloudpickle import dumps

    yield _MAGIC
    records = iter(records)
    count = 0
    # A size of 0 or less lets minispark choose, as in PySpark.
    while batch := list(islice(records, batch_size if batch_size > 0 else 1024)):
        yield from _frame(batch, dumps)
        count += len(batch)
    payload = _COUNT.pack(count)
    yield _FRAME.pack(0, zlib.crc32(payload)) + payload


def _frame(batch: list[Any], dumps: Any) -> Iterator[bytes]:
    try:
        payload = pickle.dumps(batch, 5)
    except (pickle.PicklingError, AttributeError, TypeError):
        payload = dumps(batch)  # classes of __main__ and lambdas go by value
    if len(payload) > _MAX_FRAME_BYTES and len(batch) > 1:
        half = len(batch) // 2
        yield from _frame(batch[:half], dumps)
        yield from _frame(batch[half:], dumps)
        return
    yield _FRAME.pack(len(payload), zlib.crc32(payload))
    yield payload


def pickle_splits(files: Iterable[FileInfo], min_partitions: int = 1) -> list[FileSplit]:
    """One partition for each file; frames cannot be found from the middle.

    `min_partitions` is a wish, as it is in Spark.
    """
    return [FileSplit(f.path, 0, f.size) for f in files if f.size]


def read_pickle(split: FileSplit) -> Iterator[Any]:
    """The records of a file.

    Raises
    ------
    CorruptFileError
        It is not such a file, or is cut or damaged; records before that were yielded.
    """
    stream = open_decompressed(split.path)
    try:
        if _exactly(stream, len(_MAGIC), split.path) != _MAGIC:
            raise _corrupt(split.path, "was not written by saveAsPickleFile")
        seen = 0
        while True:
            size, crc = _FRAME.unpack(_exactly(stream, _FRAME.size, split.path))
            payload = _exactly(stream, size or _COUNT.size, split.path)
            if zlib.crc32(payload) != crc:
                raise _corrupt(split.path, f"is damaged after record {seen}")
            if size == 0:
                break
            batch = pickle.loads(payload)
            seen += len(batch)
            yield from batch
        if _COUNT.unpack(payload)[0] != seen:
            raise _corrupt(split.path, "does not hold as many records as were written")
    finally:
        stream.close()


def _exactly(stream: ByteReader, n: int, path: str) -> bytes:
    parts = []
    left = n
    while left:
        part = stream.read(min(left, _READ_BYTES))
        if not part:
            raise _corrupt(path, "ends in the middle of a record")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _corrupt(path: str, what: str) -> CorruptFileError:
    return CorruptFileError(f"{path} {what}", "CORRUPT_FILE", {"path": path})
