"""Whole values as bytes: results, broadcasts, slices of data.

A list is written in frames (`serializer`), what else there is as one pickle whose
buffers (arrays, Arrow tables) lie behind it and are neither copied on the way in nor,
where a file is mapped, on the way out. Knows nothing of files.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any

import cloudpickle

from minispark.errors import PySparkPicklingError, PySparkRuntimeError
from minispark.storage.checked import Checked
from minispark.storage.serializer import (
    Buffer,
    FrameWriter,
    HasBuffers,
    iter_frames,
    next_frame_records,
    no_gc,
    plain_is_right,
    short_repr,
    unpicklable,
)

_VALUE_FRAMES, _VALUE_PICKLE = b"F", b"P"
_COUNT = struct.Struct("<Q")
_ALIGN = 64
#: Below this a list result is one pickle.
_FRAMED_LIST = 64


def _refuse_buffer(_: Any) -> None:
    raise HasBuffers


def _dump_list(value: list[Any], by_value: bool) -> list[bytes]:
    chunks = [_VALUE_FRAMES]
    writer = FrameWriter(by_value, _refuse_buffer)
    position, step = 0, 32
    while position < len(value):
        batch = value[position : position + step]
        chunks.append(writer.rows(batch))
        position += len(batch)
        step = next_frame_records(len(batch), len(chunks[-1]))
    return chunks


def dump_value(value: Any, by_value: bool = False) -> list[bytes | memoryview]:
    """One value as chunks of a self-describing byte string, for `load_value`.

    Buffers (numpy arrays, Arrow tables) are passed on without a copy and lie
    at multiples of 64 bytes. A list is written in frames.
    """
    if type(value) is list and len(value) > _FRAMED_LIST:
        try:
            return [*_dump_list(value, by_value)]
        except HasBuffers:
            pass  # buffers go out of band, below
    buffers: list[memoryview] = []
    buffers_of: list[pickle.PickleBuffer] = []
    try:
        # A failed first try may have left buffers behind: each try gets its own.
        try:
            data = pickle.dumps(value, 5, buffer_callback=buffers_of.append)
            plain = plain_is_right(data, by_value)
        except (pickle.PicklingError, AttributeError, TypeError):
            plain = False
        if not plain:
            buffers_of = []
            data = cloudpickle.dumps(value, 5, buffer_callback=buffers_of.append)
        buffers = [b.raw() for b in buffers_of]
    except Exception as error:
        if type(value) is list:
            raise unpicklable(value, error) from error
        text = short_repr(value)
        raise PySparkPicklingError(f"Cannot pickle the value {text}: {error}") from error
    sizes = [len(data), *map(len, buffers)]
    head = _VALUE_PICKLE + b"".join(map(_COUNT.pack, (len(buffers), *sizes)))
    chunks: list[bytes | memoryview] = [head, data]
    position = len(head) + len(data)
    for buffer in buffers:
        padding = -position % _ALIGN
        chunks += (b"\0" * padding, buffer)
        position += padding + len(buffer)
    return chunks


def iter_value(buf: Buffer | Checked) -> Iterator[list[Any]]:
    """The records of a list that `dump_value` wrote, as many at a time as lie together."""
    if isinstance(buf, Checked):
        kind = bytes(buf.read(1))
        if kind == _VALUE_FRAMES:
            yield from iter_frames(buf)
        else:
            yield _load_checked(buf, kind, copy=True)
        return
    view = memoryview(buf)
    if view[:1] == _VALUE_FRAMES:
        yield from iter_frames(view[1:])
    else:
        yield load_value(view, copy=True)


def load_value(buf: Buffer | Checked, copy: bool = False) -> Any:
    """The value of the joined chunks of `dump_value`.

    Arrays lie in `buf` (in the mapped file, where it is large and checked), writable
    only if that is; with `copy` they get writable memory of their own and do not keep
    `buf` alive.
    """
    if isinstance(buf, Checked):
        return _load_checked(buf, bytes(buf.read(1)), copy)
    view = memoryview(buf)
    kind = bytes(view[:1])
    if kind == _VALUE_FRAMES:
        return list(chain.from_iterable(iter_frames(view[1:])))
    if kind != _VALUE_PICKLE:
        raise PySparkRuntimeError("not a value: its first byte is unknown")
    (num_buffers,) = _COUNT.unpack_from(view, 1)
    sizes = [_COUNT.unpack_from(view, 9 + 8 * i)[0] for i in range(num_buffers + 1)]
    position = 9 + 8 * (num_buffers + 1)
    data = view[position : position + sizes[0]]
    buffers: list[Buffer] = []
    for begin, end in _ranges(position + sizes[0], sizes[1:]):
        part = view[begin:end]
        if len(part) != end - begin:
            raise PySparkRuntimeError("a value ends before its buffers")
        buffers.append(bytearray(part) if copy else part)
    with no_gc():
        return pickle.loads(data, buffers=buffers)


def _load_checked(source: Checked, kind: bytes, copy: bool) -> Any:
    """As `load_value`, of what comes behind the first byte."""
    if kind == _VALUE_FRAMES:
        return list(chain.from_iterable(iter_frames(source)))
    if kind != _VALUE_PICKLE:
        raise PySparkRuntimeError("not a value: its first byte is unknown")
    (num_buffers,) = _COUNT.unpack(source.read(_COUNT.size))
    heads = source.read(_COUNT.size * (num_buffers + 1))
    sizes = [size for (size,) in _COUNT.iter_unpack(heads)]
    data = bytearray(sizes[0])
    source.fill(data)
    position = 1 + _COUNT.size * (num_buffers + 2) + sizes[0]
    buffers: list[Buffer] = []
    for begin, end in _ranges(position, sizes[1:]):
        if copy:
            source.read(begin - position)
            part = bytearray(end - begin)
            source.fill(part)
            buffers.append(part)
            position = end
        else:
            buffers.append(source.mapped(begin, end))
    with no_gc():
        return pickle.loads(data, buffers=buffers)


def _ranges(position: int, sizes: list[int]) -> Iterator[tuple[int, int]]:
    """Where the buffers of a value lie, which has its pickle before `position`."""
    for size in sizes:
        position += -position % _ALIGN
        yield position, position + size
        position += size
