"""Lines and records from ranges of files, as Hadoop's record readers cut them.

Owns what a line is. Must not know how ranges are chosen.

A line ends at `\\n`, `\\r` or `\\r\\n`, and nowhere else. A range other than a file's
first begins after the first line end in it; every range goes on to the end of the line
that begins at or before its last byte's successor. So each line belongs to one range,
whatever the ranges are. A UTF-8 byte order mark at a file's start is dropped. Bytes that
are not UTF-8 become U+FFFD, as many as the JVM makes of them; with `use_unicode=False`
lines are the raw bytes.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain
from typing import Any

from minispark.errors import CorruptFileError
from minispark.kernels.compression import ByteReader, codec_of, open_decompressed
from minispark.kernels.filesystem import open_input, uri
from minispark.kernels.splits import FileSplit, FilesSplit

__all__ = ["read_binary", "read_records", "read_text", "read_whole_text"]

_CHUNK_BYTES = 1 << 20
#: What is read of a local file at a time: with the lines made of it, it fits into a core's
#: cache, from which whoever looks at the lines takes them.
_LOCAL_CHUNK_BYTES = 1 << 18
#: How far to read at a time for the end of a range's last line.
_TAIL_BYTES = 1 << 16
_BOM = codecs.BOM_UTF8
_UNBOUNDED = 1 << 62


def read_text(split: FileSplit, use_unicode: bool = True) -> Iterator[Any]:
    """The lines of a range: str, or raw bytes.

    Raises
    ------
    CorruptFileError
        A compressed file is truncated or damaged; lines before that were yielded.
    """
    return chain.from_iterable(_decoded(split) if use_unicode else _raw(split))


def _decoded(split: FileSplit) -> Iterator[list[str]]:
    for block in _line_blocks(split):
        yield decode(block).split("\n")


def _raw(split: FileSplit) -> Iterator[list[bytes]]:
    for block in _line_blocks(split):
        yield block.split(b"\n")


def _line_blocks(split: FileSplit) -> Iterator[bytes]:
    """Whole lines, joined by `\\n`; no end after the last line of a block."""
    stream = open_decompressed(split.path)
    try:
        if codec_of(split.path) is not None:
            yield from _blocks(stream, 0, _UNBOUNDED, _LOCAL_CHUNK_BYTES)
        else:
            # Elsewhere each read may be a request.
            size = _LOCAL_CHUNK_BYTES if split.path.startswith("/") else _CHUNK_BYTES
            if split.start:
                stream.seek(split.start)  # type: ignore[attr-defined]
            yield from _blocks(stream, split.start, split.length + 1, size)
    finally:
        stream.close()


def _blocks(stream: ByteReader, start: int, left: int, size: int) -> Iterator[bytes]:
    """As `_line_blocks`; a line that begins within the next `left` bytes is ours."""
    at_file_start = start == 0
    skipping = start > 0  # to the end of a line that is the previous range's
    unfinished: list[bytes] = []
    held = b""  # a \r whose \n may be next
    while left > 0:
        chunk = stream.read(min(size, left))
        if not chunk:
            break
        left -= len(chunk)
        chunk = held + chunk if held else chunk
        held = b""
        if b"\r" in chunk:
            if left > 0 and chunk.endswith(b"\r"):
                held, chunk = b"\r", chunk[:-1]
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = chunk.rfind(b"\n")
        if cut < 0:
            if not skipping:
                unfinished.append(chunk)
            continue
        block, rest = chunk[:cut], chunk[cut + 1 :]
        if skipping:
            skipping = False
            first = chunk.find(b"\n")
            if first == cut:
                unfinished = [rest]
                continue
            block = chunk[first + 1 : cut]
        elif unfinished:
            unfinished.append(block)
            block = b"".join(unfinished)
        unfinished = [rest]
        yield _without_bom(block) if at_file_start else block
        at_file_start = False
    if skipping:
        return
    line = b"".join(unfinished)
    is_ended = bool(held)
    if left <= 0 and line and not is_ended:
        rest, is_ended = _rest_of_line(stream)
        line += rest
    if at_file_start and line.startswith(_BOM):
        line = line[len(_BOM) :]
    if line or is_ended:
        yield line


def _without_bom(block: bytes) -> bytes:
    return block[len(_BOM) :] if block.startswith(_BOM) else block


def _rest_of_line(stream: ByteReader) -> tuple[bytes, bool]:
    """What is left of a line, and whether it has an end besides the file's."""
    parts: list[bytes] = []
    while chunk := stream.read(_TAIL_BYTES):
        ends = [i for i in (chunk.find(b"\n"), chunk.find(b"\r")) if i >= 0]
        if ends:
            parts.append(chunk[: min(ends)])
            return b"".join(parts), True
        parts.append(chunk)
    return b"".join(parts), False


def decode(data: bytes) -> str:
    """UTF-8, never failing: U+FFFD where the JVM puts it."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8", _ERRORS)


_ERRORS = "minispark_replace"


def _replace_malformed(e: UnicodeError) -> tuple[str, int]:
    """One U+FFFD for each malformed sequence; an encoded surrogate counts as one."""
    if not isinstance(e, UnicodeDecodeError):
        raise e
    lead = e.object[e.start : e.start + 3]
    if lead[0] == 0xED and len(lead) > 1 and 0xA0 <= lead[1] <= 0xBF:
        is_whole = len(lead) == 3 and 0x80 <= lead[2] <= 0xBF
        return "\ufffd", e.start + (3 if is_whole else 2)
    return "\ufffd", e.end


codecs.register_error(_ERRORS, _replace_malformed)


def read_whole_text(split: FilesSplit, use_unicode: bool = True) -> Iterator[tuple[Any, Any]]:
    """Each file's URI and its whole content, decompressed, both str or both bytes.

    A byte order mark stays.
    """
    for path in split.paths:
        stream = open_decompressed(path)
        try:
            content = _read_all(stream)
        finally:
            stream.close()
        name = uri(path)
        if use_unicode:
            yield name, decode(content)
        else:
            yield name.encode("utf-8", "surrogateescape"), content


def read_binary(split: FilesSplit) -> Iterator[tuple[str, bytes]]:
    """Each file's URI and its bytes as they are."""
    for path in split.paths:
        with open_input(path) as stream:
            yield uri(path), _read_all(stream)


def _read_all(stream: ByteReader) -> bytes:
    # Unbuffered streams may give less than what was asked for.
    return b"".join(iter(lambda: stream.read(_CHUNK_BYTES), b""))


def read_records(split: FileSplit, record_length: int) -> Iterator[bytes]:
    """The records of a fixed length in a range that is cut between records.

    Raises
    ------
    CorruptFileError
        The data end inside a record.
    """
    stream = open_decompressed(split.path)
    try:
        left = _UNBOUNDED
        if codec_of(split.path) is None:
            stream.seek(split.start)  # type: ignore[attr-defined]
            left = split.length
        carry = b""
        while left > 0:
            chunk = stream.read(min(_CHUNK_BYTES, left))
            if not chunk:
                break
            left -= len(chunk)
            chunk = carry + chunk
            whole = len(chunk) - len(chunk) % record_length
            for i in range(0, whole, record_length):
                yield chunk[i : i + record_length]
            carry = chunk[whole:]
    finally:
        stream.close()
    if carry or (left > 0 and left != _UNBOUNDED and codec_of(split.path) is None):
        raise CorruptFileError(
            f"{split.path} ends inside a record of {record_length} bytes",
            "PARTIAL_RECORD",
            {"path": split.path},
        )
