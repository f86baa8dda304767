"""Compressed files: which codec a name means, and streams that undo and do it.

Owns the codecs. Must not know lines or partitions. Errors name the file.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol, cast

from minispark.errors import CorruptFileError, PySparkNotImplementedError, PySparkValueError
from minispark.kernels.filesystem import open_input

__all__ = ["codec_by_name", "codec_of", "open_compressor", "open_decompressed"]

_READ_BYTES = 1 << 20

#: The codec of each file name's end.
_SUFFIXES = {
    ".gz": "gzip",
    ".bz2": "bzip2",
    ".deflate": "deflate",
    ".zst": "zstd",
    ".xz": "xz",
    ".lz4": "lz4",
    ".snappy": "snappy",
}
#: Spark's short names and Hadoop's class names, without package, in lower case.
_NAMES = {
    "gzip": "gzip", "gz": "gzip", "gzipcodec": "gzip",
    "bzip2": "bzip2", "bz2": "bzip2", "bzip2codec": "bzip2",
    "deflate": "deflate", "zlib": "deflate", "defaultcodec": "deflate", "deflatecodec": "deflate",
    "zstd": "zstd", "zst": "zstd", "zstandard": "zstd", "zstandardcodec": "zstd",
    "xz": "xz", "lzma": "xz", "xzcodec": "xz",
    "lz4": "lz4", "lz4codec": "lz4",
}  # fmt: skip


class ByteReader(Protocol):
    """The part of a binary stream that readers of records use."""

    def read(self, n: int = -1, /) -> bytes:
        """Up to `n` bytes; none at the end."""

    def close(self) -> None:
        """Releases the file."""


def codec_of(path: str) -> str | None:
    """The codec that the end of a file's name means, or None."""
    dot = path.rfind(".")
    return _SUFFIXES.get(path[dot:]) if dot >= 0 else None


def codec_by_name(name: str) -> tuple[str, str]:
    """The codec and the suffix for a Hadoop class name or a short name.

    Raises
    ------
    PySparkValueError
        The name is not known.
    """
    codec = _NAMES.get(name.rpartition(".")[2].lower())
    if codec is None:
        raise PySparkValueError(
            f"Unknown compression codec {name!r}. Known: GzipCodec, BZip2Codec, DefaultCodec,"
            " ZStandardCodec, Lz4Codec (with or without org.apache.hadoop.io.compress.), xz",
            "UNKNOWN_CODEC",
            {"codec": name},
        )
    return codec, next(s for s, c in _SUFFIXES.items() if c == codec)


def open_decompressed(path: str) -> ByteReader:
    """Opens a file, decompressing it when its name says so.

    Reading raises CorruptFileError when the data end early or make no sense.
    """
    raw = open_input(path)
    codec = codec_of(path)
    if codec is None:
        return raw
    try:
        return _Guarded(path, raw, _reader(codec, raw))
    except BaseException:
        raw.close()
        raise


def _reader(codec: str, raw: BinaryIO) -> ByteReader:
    if codec == "gzip":
        return cast(ByteReader, gzip.GzipFile(fileobj=raw, mode="rb"))
    if codec == "bzip2":
        return bz2.BZ2File(raw, "rb")
    if codec == "xz":
        return lzma.LZMAFile(raw, "rb")
    if codec == "deflate":
        return _Deflate(raw)
    if codec == "snappy":
        return _HadoopSnappy(raw)
    return cast(ByteReader, _pyarrow(codec).CompressedInputStream(raw, codec))


def _pyarrow(codec: str) -> Any:
    try:
        import pyarrow
    except ImportError as e:
        raise PySparkNotImplementedError(
            f"{codec} needs the package pyarrow", "PACKAGE_NOT_INSTALLED", {"package": "pyarrow"}
        ) from e
    return pyarrow


class _Guarded:
    """A decompressing stream whose errors say which file is damaged."""

    def __init__(self, path: str, raw: BinaryIO, stream: ByteReader) -> None:
        self._path = path
        self._raw = raw
        self._stream = stream

    def read(self, n: int = -1, /) -> bytes:
        try:
            return self._stream.read(n)
        except (EOFError, zlib.error, lzma.LZMAError, ValueError) as e:
            raise self._corrupt(e) from e
        except OSError as e:
            if e.errno is not None:
                raise  # the disk's or the network's, not the data's
            raise self._corrupt(e) from e

    def _corrupt(self, e: Exception) -> CorruptFileError:
        what = "is truncated" if isinstance(e, EOFError) else "cannot be decompressed"
        return CorruptFileError(
            f"{self._path} {what} ({type(e).__name__}: {e})",
            "CORRUPT_FILE",
            {"path": self._path},
        )

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._raw.close()


class _Deflate:
    """A zlib stream, or several one after another."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decoder = zlib.decompressobj()
        self._started = False

    def read(self, n: int = -1, /) -> bytes:
        limit = n if n >= 0 else 0
        parts: list[bytes] = []
        while True:
            data = self._decoder.unconsumed_tail or self._raw.read(_READ_BYTES)
            if not data:
                if self._started and not self._decoder.eof:
                    raise EOFError("the stream ends before its end mark")
                return b"".join(parts)
            self._started = True
            while data:
                if self._decoder.eof:
                    self._decoder = zlib.decompressobj()
                out = self._decoder.decompress(data, limit)
                if out:
                    parts.append(out)
                data = self._decoder.unused_data
                if data or self._decoder.eof:
                    continue
                break
            if parts and n >= 0:
                return b"".join(parts)

    def close(self) -> None:
        self._raw.close()


class _HadoopSnappy:
    """Hadoop's framing: a block's length, then chunks of length and snappy data."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._codec = _pyarrow("snappy").Codec("snappy")
        self._left = 0

    def read(self, n: int = -1, /) -> bytes:
        """A chunk, whatever `n` is: they are small; all of them for -1."""
        if n < 0:
            return b"".join(iter(self.read_chunk, b""))
        return self.read_chunk()

    def read_chunk(self) -> bytes:
        while self._left == 0:
            head = self._exactly(4, at_end_ok=True)
            if not head:
                return b""
            self._left = int.from_bytes(head, "big")
        data = self._exactly(int.from_bytes(self._exactly(4), "big"))
        size = 0
        for i, byte in enumerate(data[:5]):  # snappy begins with the varint of its size
            size |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                break
        out = bytes(self._codec.decompress(data, size))
        self._left -= len(out)
        return out

    def _exactly(self, n: int, at_end_ok: bool = False) -> bytes:
        data = b""
        while len(data) < n:
            more = self._raw.read(n - len(data))
            if not more:
                if at_end_ok and not data:
                    return b""
                raise EOFError("the stream ends inside a block")
            data += more
        return data

    def close(self) -> None:
        self._raw.close()


class ByteWriter(Protocol):
    """The part of a binary stream that writers of records use."""

    def write(self, data: bytes, /) -> Any:
        """Takes all of `data`."""

    def close(self) -> None:
        """Writes what is left; does not close the stream below."""


def open_compressor(codec: str, raw: BinaryIO) -> ByteWriter:
    """A stream that compresses into `raw`; `raw` stays open after its close."""
    if codec == "gzip":
        # No time stamp: the same records make the same bytes.
        return cast(ByteWriter, gzip.GzipFile("", "wb", 6, raw, mtime=0))
    if codec == "bzip2":
        return _Compressor(raw, bz2.BZ2Compressor())
    if codec == "xz":
        return _Compressor(raw, lzma.LZMACompressor())
    if codec == "deflate":
        return _Compressor(raw, zlib.compressobj(6))
    return _arrow_writer(codec, raw)


class _Compressor:
    def __init__(self, raw: BinaryIO, encoder: Any) -> None:
        self._raw = raw
        self._encode: Callable[[bytes], bytes] = encoder.compress
        self._finish: Callable[[], bytes] = encoder.flush

    def write(self, data: bytes, /) -> None:
        self._raw.write(self._encode(data))

    def close(self) -> None:
        self._raw.write(self._finish())


class _KeepOpen:
    """Hides `close` from a wrapper that would close what it writes to."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.closed = False

    def write(self, data: Any) -> int:
        return self.raw.write(data)

    def flush(self) -> None:
        self.raw.flush()

    def close(self) -> None:
        self.closed = True


def _arrow_writer(codec: str, raw: BinaryIO) -> ByteWriter:
    pyarrow = _pyarrow(codec)
    sink = pyarrow.PythonFile(_KeepOpen(raw), mode="w")
    return cast(ByteWriter, pyarrow.CompressedOutputStream(sink, codec))
