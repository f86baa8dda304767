"""SequenceFile, Hadoop's container of key-value pairs: its layout, reading and writing.

Owns the bytes of a file. Must not know what the keys and values mean (see `writables`),
nor who commits a file.

Layout. A header: `SEQ`, the version, the classes of key and value, whether values are
compressed one by one or records in blocks, the codec's class, metadata, and a marker of
16 random bytes. Then records: length of the record, length of the key, key, value; or
blocks: a number of records and four compressed buffers (lengths of keys, keys, lengths
of values, values). Escaped by a length of -1, the marker comes before every block, and
between records after about 100 KB. So a reader may begin anywhere: what follows a marker
at or after the beginning of its range, and before its end, is its own.

Files written here end with a marker and bytes that no record or block begins with, and
their metadata say so: a file that was cut between two records is found out. Hadoop's
readers take both for the end.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from minispark.errors import CorruptFileError, PySparkNotImplementedError, PySparkValueError
from minispark.kernels.bytestream import ByteStream
from minispark.kernels.filesystem import FileInfo, open_input
from minispark.kernels.hadoop_codecs import BufferCodec, buffer_codec
from minispark.kernels.splits import FileSplit, compute_splits
from minispark.kernels.writables import read_vint, vint
from minispark.records import field, record

__all__ = ["Header", "read_pairs", "sequence_chunks", "sequence_splits"]

_MAGIC = b"SEQ"
_VERSION = 6
#: The first version with the codec's class, and the first with metadata.
_CODEC_VERSION, _METADATA_VERSION = 5, 6
_OLDEST_VERSION = 4
_MARKER_BYTES = 16
_ESCAPE = b"\xff\xff\xff\xff"
#: How much is written between two markers, and the smallest range of a split.
_SYNC_INTERVAL = 5 * 1024 * (_MARKER_BYTES + 4)
#: Bytes of keys and values that make a block.
_BLOCK_BYTES = 1_000_000
_MAX_RECORD_BYTES = (1 << 31) - 1
#: Metadata of files that end as described above, and what follows their last marker: for
#: Hadoop no length, and a number of records that is not complete.
_HAS_END = ("minispark.end", "marker")
_END_OF_RECORDS, _END_OF_BLOCKS = _ESCAPE, b"\x80"
_INT = struct.Struct(">i")
_LENGTHS = struct.Struct(">ii")
#: What decoding damaged data raises.
_DAMAGED = (ValueError, EOFError, IndexError, OSError, zlib.error, struct.error)


@record
class Header:
    """What a file says about itself."""

    key_class: str
    value_class: str
    #: None, or the codec of the values (by records) or of the blocks.
    codec: BufferCodec | None = None
    in_blocks: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    marker: bytes = b""
    #: Where the first record begins.
    end: int = 0

    @property
    def has_end(self) -> bool:
        """Whether the file's end can be told from a cut."""
        return self.metadata.get(_HAS_END[0]) == _HAS_END[1]


def sequence_splits(files: Iterable[FileInfo], min_partitions: int) -> list[FileSplit]:
    """The partitions of sequence files: as Hadoop makes them."""
    return compute_splits(
        list(files), min_partitions, least_bytes=_SYNC_INTERVAL, is_container=True
    )


# -- writing ------------------------------------------------------------------------------


def sequence_chunks(
    pairs: Iterable[tuple[bytes, bytes]],
    key_class: str,
    value_class: str,
    codec: BufferCodec | None = None,
    metadata: dict[str, str] | None = None,
    marker: bytes | None = None,
) -> Iterator[bytes]:
    """The bytes of a file of encoded pairs; with a codec in blocks, as Spark writes them."""
    marker = marker or os.urandom(_MARKER_BYTES)
    header = _header_bytes(key_class, value_class, codec, metadata or {}, marker)
    yield header
    if codec is None:
        yield from _plain(pairs, _ESCAPE + marker, len(header))
    else:
        yield from _blocks(pairs, _ESCAPE + marker, codec)
    yield _ESCAPE + marker + (_END_OF_RECORDS if codec is None else _END_OF_BLOCKS)


def _header_bytes(
    key_class: str,
    value_class: str,
    codec: BufferCodec | None,
    metadata: dict[str, str],
    marker: bytes,
) -> bytes:
    parts = [_MAGIC, bytes((_VERSION,)), _string(key_class), _string(value_class)]
    parts.append(b"\x00\x00" if codec is None else b"\x01\x01" + _string(codec.class_name))
    entries = {_HAS_END[0]: _HAS_END[1], **metadata}
    parts.append(_INT.pack(len(entries)))
    for name in sorted(entries):
        parts += [_string(name), _string(entries[name])]
    parts.append(marker)
    return b"".join(parts)


def _string(text: str) -> bytes:
    data = text.encode()
    return vint(len(data)) + data


def _plain(pairs: Iterable[tuple[bytes, bytes]], marker: bytes, position: int) -> Iterator[bytes]:
    pack = _LENGTHS.pack
    due = _SYNC_INTERVAL
    parts: list[bytes] = []
    pending = 0
    for key, value in pairs:
        size = len(key) + len(value)
        if size > _MAX_RECORD_BYTES:
            raise _too_large(size)
        if position + pending >= due:
            parts.append(marker)
            yield b"".join(parts)
            position += pending + len(marker)
            due = position + _SYNC_INTERVAL
            parts, pending = [], 0
        parts += (pack(size, len(key)), key, value)
        pending += size + 8
    yield b"".join(parts)


def _blocks(
    pairs: Iterable[tuple[bytes, bytes]], marker: bytes, codec: BufferCodec
) -> Iterator[bytes]:
    keys: list[bytes] = []
    values: list[bytes] = []
    size = 0
    for key, value in pairs:
        keys.append(key)
        values.append(value)
        size += len(key) + len(value)
        if size >= _BLOCK_BYTES:
            yield _block(keys, values, marker, codec)
            keys, values, size = [], [], 0
    if keys:
        yield _block(keys, values, marker, codec)


def _block(keys: list[bytes], values: list[bytes], marker: bytes, codec: BufferCodec) -> bytes:
    parts = [marker, vint(len(keys))]
    for members in (keys, values):
        for data in (b"".join([vint(len(m)) for m in members]), b"".join(members)):
            if len(data) > _MAX_RECORD_BYTES:
                raise _too_large(len(data))
            packed = codec.compress(data)
            parts += [vint(len(packed)), packed]
    return b"".join(parts)


def _too_large(size: int) -> PySparkValueError:
    return PySparkValueError(
        f"A record of {size} bytes cannot be written to a sequence file: 2 GiB is the limit",
        "RECORD_TOO_LARGE",
    )


# -- reading ------------------------------------------------------------------------------

Decoders = tuple[Callable[[bytes], Any], Callable[[bytes], Any]]


def read_pairs(
    split: FileSplit, decoders: Callable[[Header], Decoders]
) -> Iterator[tuple[Any, Any]]:
    """The decoded pairs of a range of a file.

    Parameters
    ----------
    decoders
        What makes keys and values of their bytes, for a file's header.

    Raises
    ------
    CorruptFileError
        The file is no sequence file, or is cut or damaged; pairs before that were yielded.
    """
    stream = ByteStream(open_input(split.path), split.path)
    try:
        with _damage_named(stream):
            header = read_header(stream)
            key_of, value_of = decoders(header)
            for key, value in _raw_pairs(stream, header, split):
                # Decoded here, not by the user of the generator: errors mean damage.
                pair = key_of(key), value_of(value)
                yield pair
    finally:
        stream.close()


@contextmanager
def _damage_named(stream: ByteStream) -> Iterator[None]:
    """Errors of decoding become errors that name the file."""
    try:
        yield
    except (PySparkValueError, PySparkNotImplementedError) as e:
        # Not damaged: what it needs is not here.
        message = f"{stream.path}: {e.args[0]}"
        raise type(e)(message, e.getCondition(), e.getMessageParameters()) from None
    except CorruptFileError:
        raise
    except _DAMAGED as e:
        if isinstance(e, OSError) and e.errno is not None:
            raise  # the disk's or the network's, not the data's
        raise stream.corrupt(
            f"is damaged near byte {stream.position} ({type(e).__name__}: {e})"
        ) from e


def read_header(stream: ByteStream) -> Header:
    """The header, at the beginning of a file."""
    try:
        start = stream.exactly(4)
    except OSError as e:
        raise stream.corrupt("is no sequence file: it is too short") from e
    if start[:3] != _MAGIC:
        raise stream.corrupt("is no sequence file: it does not begin with SEQ")
    version = start[3]
    if not _OLDEST_VERSION <= version <= _VERSION:
        raise stream.corrupt(
            f"is a sequence file of version {version}; {_OLDEST_VERSION} to {_VERSION} can be read"
        )
    key_class, value_class = _read_string(stream), _read_string(stream)
    compressed, in_blocks = stream.exactly(1) != b"\x00", stream.exactly(1) != b"\x00"
    codec = None
    if compressed:
        codec = buffer_codec(_read_string(stream) if version >= _CODEC_VERSION else "DefaultCodec")
    metadata = {}
    if version >= _METADATA_VERSION:
        for _ in range(_read_int(stream)):
            name = _read_string(stream)
            metadata[name] = _read_string(stream)
    marker = stream.exactly(_MARKER_BYTES)
    return Header(key_class, value_class, codec, in_blocks, metadata, marker, stream.position)


def _raw_pairs(
    stream: ByteStream, header: Header, split: FileSplit
) -> Iterator[tuple[bytes, bytes]]:
    marker = _ESCAPE + header.marker
    if split.start > header.end:
        stream.seek(split.start)
        if not stream.find(marker):
            _check_end(stream, header)
            return
    if header.in_blocks:
        yield from _read_blocks(stream, header, split.end)
    else:
        yield from _read_records(stream, header, split.end)


def _read_records(stream: ByteStream, header: Header, end: int) -> Iterator[tuple[bytes, bytes]]:
    exactly, unpack = stream.exactly, _LENGTHS.unpack
    decompress = None if header.codec is None else header.codec.decompress
    while not stream.at_end():
        position = stream.position
        lengths = exactly(4)
        if lengths == _ESCAPE:
            if exactly(_MARKER_BYTES) != header.marker:
                raise stream.corrupt(f"is damaged: no marker at byte {position}")
            if stream.at_end():
                break
            if position >= end:
                return
            lengths = exactly(4)
            if lengths == _END_OF_RECORDS and header.has_end:
                break
        size, key_size = unpack(lengths + exactly(4))
        if not 0 <= key_size <= size:
            raise stream.corrupt(f"is damaged: no record at byte {position}")
        key, value = exactly(key_size), exactly(size - key_size)
        yield key, value if decompress is None else decompress(value)
    _check_end(stream, header)


def _read_blocks(stream: ByteStream, header: Header, end: int) -> Iterator[tuple[bytes, bytes]]:
    while not stream.at_end():
        position = stream.position
        if position >= end:
            return
        if stream.exactly(4 + _MARKER_BYTES) != _ESCAPE + header.marker:
            raise stream.corrupt(f"is damaged: no marker at byte {position}")
        if header.has_end and stream.starts_with(_END_OF_BLOCKS):
            stream.exactly(len(_END_OF_BLOCKS))
            break
        if stream.at_end():
            break
        yield from _read_block(stream, header)
    _check_end(stream, header)


def _read_block(stream: ByteStream, header: Header) -> Iterator[tuple[bytes, bytes]]:
    assert header.codec is not None
    count = _read_vint(stream)
    members = []
    for _ in ("keys", "values"):
        lengths, data = (
            header.codec.decompress(stream.exactly(_read_vint(stream))) for _ in range(2)
        )
        members.append(_sliced(lengths, data, count))
    return zip(*members)


def _sliced(lengths: bytes, data: bytes, count: int) -> list[bytes]:
    parts = []
    at = start = 0
    for _ in range(count):
        size, at = read_vint(lengths, at)
        parts.append(data[start : start + size])
        start += size
    if at != len(lengths) or start != len(data):
        raise ValueError("the lengths of a block do not fit its data")
    return parts


def _check_end(stream: ByteStream, header: Header) -> None:
    """At what seems to be the end of a file: may it be there?"""
    if header.has_end:
        end = _ESCAPE + header.marker
        end += _END_OF_BLOCKS if header.in_blocks else _END_OF_RECORDS
        if not stream.at_end() or stream.last(len(end)) != end:
            raise stream.corrupt("ends too early: records that were written are missing")


def _read_int(stream: ByteStream) -> int:
    n: int = _INT.unpack(stream.exactly(4))[0]
    return n


def _read_vint(stream: ByteStream) -> int:
    first = stream.exactly(1)
    size = 0
    if 0x80 <= first[0] < 0x90:
        size = (0x88 if first[0] < 0x88 else 0x90) - first[0]
    n = read_vint(first + stream.exactly(size), 0)[0]
    if n < 0:
        raise ValueError(f"a negative length: {n}")
    return n


def _read_string(stream: ByteStream) -> str:
    return stream.exactly(_read_vint(stream)).decode("utf-8", "replace")
