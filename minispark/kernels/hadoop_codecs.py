"""Hadoop's codecs on whole buffers, as sequence files use them.

Owns the names of the classes and the framing of each. Must not know records.
"""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable
from typing import Any

from minispark.errors import PySparkNotImplementedError, PySparkValueError
from minispark.records import record

__all__ = ["BufferCodec", "buffer_codec"]

_PACKAGE = "org.apache.hadoop.io.compress."
#: What Hadoop's block codecs compress at once, less than the buffers of its readers.
_CHUNK_BYTES = 1 << 17


@record
class BufferCodec:
    """One codec: the name in a file's header, and both directions."""

    class_name: str
    compress: Callable[[bytes], bytes]
    #: Raises ValueError, EOFError, OSError or zlib.error for damaged data.
    decompress: Callable[[bytes], bytes]


def buffer_codec(name: str) -> BufferCodec:
    """The codec of a class name, with or without its package.

    Raises
    ------
    PySparkValueError
        Nothing here knows the name.
    PySparkNotImplementedError
        It needs a package that is not installed.
    """
    package, _, short = name.rpartition(".")
    make = _CODECS.get(short) if package in ("", _PACKAGE.rstrip(".")) else None
    if make is None:
        raise PySparkValueError(
            f"Unknown compression codec {name!r}. Sequence files can have, of"
            f" {_PACKAGE}*: {', '.join(sorted(_CODECS))}",
            "UNKNOWN_CODEC",
            {"codec": name},
        )
    compress, decompress = make()
    return BufferCodec(_PACKAGE + short, compress, decompress)


_Pair = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]


def _zlib() -> _Pair:
    return zlib.compress, lambda data: zlib.decompress(data) if data else b""


def _gzip() -> _Pair:
    return lambda data: gzip.compress(data, 6, mtime=0), gzip.decompress


def _bzip2() -> _Pair:
    return bz2.compress, bz2.decompress


def _zstd() -> _Pair:
    pyarrow = _pyarrow("ZStandardCodec")

    def decompress(data: bytes) -> bytes:
        if not data:
            return b""
        with pyarrow.CompressedInputStream(pyarrow.BufferReader(data), "zstd") as stream:
            return bytes(stream.read())

    codec = pyarrow.Codec("zstd")
    return lambda data: bytes(codec.compress(data, asbytes=True)), decompress


def _snappy() -> _Pair:
    return _framed("snappy", "SnappyCodec", _snappy_size)


def _lz4() -> _Pair:
    return _framed("lz4_raw", "Lz4Codec", _lz4_size)


_CODECS: dict[str, Callable[[], _Pair]] = {
    "DefaultCodec": _zlib,
    "DeflateCodec": _zlib,
    "GzipCodec": _gzip,
    "BZip2Codec": _bzip2,
    "ZStandardCodec": _zstd,
    "SnappyCodec": _snappy,
    "Lz4Codec": _lz4,
}


def _framed(name: str, class_name: str, size_of: Callable[[bytes], int]) -> _Pair:
    """Hadoop's frames: a block's length, then chunks of a length and compressed data."""
    codec = _pyarrow(class_name).Codec(name)

    def compress(data: bytes) -> bytes:
        parts = []
        for start in range(0, len(data), _CHUNK_BYTES):
            chunk = data[start : start + _CHUNK_BYTES]
            packed = bytes(codec.compress(chunk, asbytes=True))
            parts += [len(chunk).to_bytes(4, "big"), len(packed).to_bytes(4, "big"), packed]
        return b"".join(parts)

    def decompress(data: bytes) -> bytes:
        parts = []
        at = 0
        while at < len(data):
            left = _length(data, at)
            at += 4
            while left > 0:
                start = at + 4
                at = start + _length(data, at)
                if at > len(data):
                    raise EOFError("a chunk ends too early")
                chunk = data[start:at]
                size = size_of(chunk)
                if not 0 < size <= left:
                    raise ValueError(f"a chunk of {size} bytes where {left} are left")
                parts.append(bytes(codec.decompress(chunk, size, asbytes=True)))
                left -= size
        return b"".join(parts)

    return compress, decompress


def _length(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise EOFError("a block ends too early")
    return int.from_bytes(data[at : at + 4], "big")


def _snappy_size(data: bytes) -> int:
    size = 0
    for i, byte in enumerate(data[:5]):
        size |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            break
    return size


def _lz4_size(data: bytes) -> int:
    """How many bytes an LZ4 block expands to: it does not say so itself."""
    size = at = 0

    def extended(length: int) -> int:
        nonlocal at
        if length == 15:
            while True:
                more = data[at]
                at += 1
                length += more
                if more != 255:
                    break
        return length

    try:
        while at < len(data):
            token = data[at]
            at += 1
            literals = extended(token >> 4)
            at += literals
            size += literals
            if at >= len(data):
                break
            at += 2  # the distance of the match
            size += extended(token & 15) + 4
    except IndexError:
        raise EOFError("an LZ4 block ends too early") from None
    return size


def _pyarrow(class_name: str) -> Any:
    try:
        import pyarrow
    except ImportError as e:
        raise PySparkNotImplementedError(
            f"{class_name} needs the package pyarrow",
            "PACKAGE_NOT_INSTALLED",
            {"package": "pyarrow"},
        ) from e
    return pyarrow
