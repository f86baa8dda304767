"""Files of pickled records: what `saveAsPickleFile` writes and `pickleFile` reads.

Owns the format, which is PySpark's: a SequenceFile of NullWritable and BytesWritable,
each value the Java form of an array of about ten byte arrays, each of those a pickled
list of records. Unpickling runs code: read only what you trust.

Files written here have a CRC-32 behind each pickled list, which unpickling does not look
at, and say so in the file's metadata; so they are checked here and read by PySpark. The
frames that earlier versions wrote (`_MAGIC`) are read as well.
"""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from minispark.errors import CorruptFileError, PySparkValueError
from minispark.kernels.bytestream import ByteStream
from minispark.kernels.filesystem import open_input
from minispark.kernels.java_arrays import dump_byte_arrays, load_byte_arrays
from minispark.kernels.sequence_files import Decoders, Header, read_pairs, sequence_chunks
from minispark.kernels.splits import FileSplit
from minispark.kernels.writables import BYTES, NULL

__all__ = ["pickle_chunks", "read_pickle"]

#: Pickled lists in one record of the file, as Spark's object files have them.
_LISTS = 10
#: What makes such a record full earlier.
_FULL_BYTES = 1 << 24
#: What a byte array of Java can hold, with room for what is around it.
_MAX_BYTES = (1 << 31) - 1024
#: The size that lists of a batch size of 0 approach.
_BEST_BYTES = 1 << 16
_CHECKED = ("minispark.checksum", "crc32")
_CRC = struct.Struct(">I")
_INT = struct.Struct(">i")

_MAGIC = b"MINISPARKPICKLE1"
_FRAME = struct.Struct("<II")
_COUNT = struct.Struct("<Q")


def pickle_chunks(records: Iterable[Any], batch_size: int = 10) -> Iterator[bytes]:
    """The bytes of a file with these records, `batch_size` of them in a list.

    As in PySpark, 0 means lists of about 64 KB, and -1 one list for all.
    """
    return sequence_chunks(
        ((b"", value) for value in _values(_pickled_lists(iter(records), batch_size))),
        NULL,
        BYTES,
        metadata=dict([_CHECKED]),
    )


def _values(lists: Iterable[bytes]) -> Iterator[bytes]:
    group: list[bytes] = []
    size = 0
    for data in lists:
        if group and size + len(data) > _FULL_BYTES:
            yield _value(group)
            group, size = [], 0
        group.append(data)
        size += len(data)
        if len(group) == _LISTS:
            yield _value(group)
            group, size = [], 0
    if group:
        yield _value(group)


def _value(group: list[bytes]) -> bytes:
    data = dump_byte_arrays(group)
    return _INT.pack(len(data)) + data


def _pickled_lists(records: Iterator[Any], batch_size: int) -> Iterator[bytes]:
    from cloudpickle import dumps

    if batch_size < 0:
        yield from _pickled(list(records), dumps)
        return
    size = batch_size or 1
    while batch := list(islice(records, size)):
        written = 0
        for data in _pickled(batch, dumps):
            written += len(data)
            yield data
        if batch_size == 0:
            if written < _BEST_BYTES:
                size *= 2
            elif written > 10 * _BEST_BYTES and size > 1:
                size //= 2


def _pickled(batch: list[Any], dumps: Callable[[Any], bytes]) -> Iterator[bytes]:
    try:
        payload = pickle.dumps(batch, 5)
    except (pickle.PicklingError, AttributeError, TypeError):
        payload = dumps(batch)  # classes of __main__ and lambdas go by value
    if len(payload) > _MAX_BYTES:
        if len(batch) == 1:
            raise PySparkValueError(
                f"A record of {len(payload)} bytes cannot be written: 2 GiB is the limit",
                "RECORD_TOO_LARGE",
            )
        half = len(batch) // 2
        yield from _pickled(batch[:half], dumps)
        yield from _pickled(batch[half:], dumps)
        return
    yield payload + _CRC.pack(zlib.crc32(payload))


def read_pickle(split: FileSplit) -> Iterator[Any]:
    """The records of a range of a file.

    Raises
    ------
    CorruptFileError
        It is not such a file, or is cut or damaged; records before that were yielded.
    """
    if _is_frames(split.path):
        if split.start == 0:  # frames cannot be found from the middle
            yield from _read_frames(split.path)
        return
    for is_checked, lists in read_pairs(split, partial(_decoders, split.path)):
        for data in lists:
            yield from pickle.loads(_checked(data, split.path) if is_checked else data)


def _decoders(path: str, header: Header) -> Decoders:
    """A record's key becomes whether its lists have checksums: no key has anything in it."""
    if (header.key_class, header.value_class) != (NULL, BYTES):
        raise _corrupt(
            path,
            f"has keys of {header.key_class} and values of {header.value_class}: it was not"
            " written by saveAsPickleFile; SparkContext.sequenceFile() reads it",
        )
    is_checked = header.metadata.get(_CHECKED[0]) == _CHECKED[1]
    return (lambda key: is_checked), _lists


def _lists(data: bytes) -> list[bytes]:
    if _INT.unpack_from(data)[0] != len(data) - 4:
        raise ValueError("the length of a value is wrong")
    return load_byte_arrays(data, 4)


def _checked(data: bytes, path: str) -> bytes:
    if len(data) < _CRC.size or _CRC.unpack(data[-4:])[0] != zlib.crc32(data[:-4]):
        raise _corrupt(path, "is damaged: a checksum does not fit its records")
    return data


# -- frames, as earlier versions wrote them -------------------------------------------------


def _is_frames(path: str) -> bool:
    stream = ByteStream(open_input(path), path)
    try:
        return stream.starts_with(_MAGIC)
    finally:
        stream.close()


def _read_frames(path: str) -> Iterator[Any]:
    stream = ByteStream(open_input(path), path)
    try:
        stream.seek(len(_MAGIC))
        seen = 0
        while True:
            size, crc = _FRAME.unpack(stream.exactly(_FRAME.size))
            payload = stream.exactly(size or _COUNT.size)
            if zlib.crc32(payload) != crc:
                raise _corrupt(path, f"is damaged after record {seen}")
            if size == 0:
                break
            batch = pickle.loads(payload)
            seen += len(batch)
            yield from batch
        if _COUNT.unpack(payload)[0] != seen:
            raise _corrupt(path, "does not hold as many records as were written")
    finally:
        stream.close()


def _corrupt(path: str, what: str) -> CorruptFileError:
    return CorruptFileError(f"{path} {what}", "CORRUPT_FILE", {"path": path})
