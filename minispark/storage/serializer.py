"""How records become bytes.

Owns the frame format that blocks of every kind are made of (shuffle, spill,
disk cache, results). Single values are the matter of `storage.values`. Knows
nothing of files, blocks or keys.

A *frame* is `length (u64) | kind (u8) | payload`: some 1,000 records pickled
together, fewer where records are large. Pickling in frames costs a fifth of
pickling a million records at once, and bounds what is held in memory.

Classes. Executors have no `__main__` of the user's, so a class of the program
must travel by value. Plain pickle is tried first because it is faster: it
fails by itself for what it cannot name. In the driver it would succeed and
name `__main__`; `by_value=True` finds that name in the bytes. From the first such
frame on, a stream of frames (a block, a spilled range, a list) is written with a
table of its classes (`storage.dynamic`): frames of one stream are read in order,
by one `FrameReader`.
"""

from __future__ import annotations

import gc
import pickle
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice, repeat
from typing import Any

import cloudpickle

from minispark.errors import PySparkPicklingError, PySparkRuntimeError
from minispark.storage.checked import Checked
from minispark.storage.dynamic import ClassReader, ClassWriter, Definitions

Buffer = bytes | bytearray | memoryview

#: Records of a frame, unless they are large.
FRAME_RECORDS = 1000
#: Bytes a frame should not exceed where there is more than one record.
FRAME_BYTES = 1 << 20
#: The part of a budget that a frame may be: its records are some times larger.
_FRAME_PART, _MIN_FRAME_BYTES = 64, 1 << 16
#: How many times more records a frame may have than the one before it.
_GROWTH = 32

_HEADER = struct.Struct("<QB")
HEADER_BYTES = _HEADER.size
_ROWS, _PAIRS, _KEYS = 0, 1, 4
#: Added to the kind: the payload begins with the length of a table of classes,
#: and the table, which is empty where earlier frames brought all classes.
_CLASSES = 2
_TABLE = struct.Struct("<I")


@contextmanager
def no_gc() -> Iterator[None]:
    # Making many objects at once triggers collections that find nothing.
    # Several threads may be here: only who saw it enabled enables it again,
    # so it cannot stay off.
    if not gc.isenabled():
        yield
        return
    try:
        # In here: the interrupt of a task that is cancelled may hit this very line.
        gc.disable()
        yield
    finally:
        gc.enable()


def plain_is_right(data: bytes, by_value: bool) -> bool:
    return not by_value or (
        b"__main__" not in data and not cloudpickle.list_registry_pickle_by_value()
    )


class HasBuffers(Exception):
    """A record has buffers of its own, which whoever asked for frames does not want copied."""


class FrameWriter:
    """Makes the frames of one stream. Those of one task may share `definitions`."""

    __slots__ = ("_buffers", "_by_value", "_classes", "_definitions")

    def __init__(
        self,
        by_value: bool = False,
        buffers: Any = None,
        definitions: Definitions | None = None,
    ) -> None:
        self._by_value = by_value
        self._buffers = buffers
        self._definitions = definitions
        #: Set when plain pickle did not do.
        self._classes: ClassWriter | None = None

    def rows(self, records: list[Any]) -> bytes:
        """The frame of these records.

        Raises
        ------
        PySparkPicklingError
            A record cannot be pickled; the message shows it.
        """
        try:
            column = _column(records)
            # What was stacked is copied already.
            return self._frame(_ROWS, column, self._buffers if column is records else None)
        except HasBuffers:
            raise
        except Exception as error:
            raise unpicklable(records, error) from error

    def pairs(self, keys: list[Any], values: list[Any]) -> bytes:
        """The frame of the tuples `zip(keys, values)`; loads faster than rows."""
        try:
            return self._frame(_PAIRS, (keys, _column(values)))
        except Exception as error:
            raise unpicklable(zip(keys, values, strict=True), error) from error

    def keys(self, keys: list[Any]) -> bytes:
        """The frame of the pairs of these keys with None, as `distinct` makes them."""
        try:
            return self._frame(_KEYS, keys)
        except Exception as error:
            raise unpicklable(zip(keys, repeat(None)), error) from error

    def _frame(self, kind: int, value: Any, buffers: Any = None) -> bytes:
        with no_gc():
            if self._classes is None:
                try:
                    body = pickle.dumps(value, 5, buffer_callback=buffers)
                    if plain_is_right(body, self._by_value):
                        return _HEADER.pack(len(body), kind) + body
                except (pickle.PicklingError, AttributeError, TypeError):
                    pass  # what plain pickle cannot name, cloudpickle may carry by value
                self._classes = ClassWriter(self._definitions)
            table, body = self._classes.dumps(value, buffers)
        if not self._classes.named:
            return _HEADER.pack(len(body), kind) + body
        length = _TABLE.size + len(table) + len(body)
        head = _HEADER.pack(length, kind + _CLASSES) + _TABLE.pack(len(table))
        return b"".join((head, table, body))


def _column(records: list[Any]) -> list[Any] | tuple[Any, ...]:
    """The records as they are pickled: a tuple of blocks where they are small arrays."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not records or type(records[0]) is not numpy.ndarray:
        return records
    from minispark.storage.arrays import stacked  # for few programs (ADR 0032)

    return stacked(records) or records


def _records(column: list[Any] | tuple[Any, ...]) -> list[Any]:
    """What `_column` was given."""
    if type(column) is not tuple:
        return column  # type: ignore[return-value]
    from minispark.storage.arrays import unstacked

    return unstacked(column)


def unpicklable(records: Iterable[Any], error: BaseException) -> PySparkPicklingError:
    for record in records:
        try:
            cloudpickle.dumps(record, 5)
        except Exception as cause:
            text = short_repr(record)
            return PySparkPicklingError(f"Cannot pickle the record {text}: {cause}")
    return PySparkPicklingError(f"Cannot pickle the records: {error}")


def short_repr(value: Any, limit: int = 120) -> str:
    """`repr(value)` for messages: shortened, and never an error of its own."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def dump_frame(records: list[Any], by_value: bool = False) -> bytes:
    """The only frame of a stream."""
    return FrameWriter(by_value).rows(records)


class PairFrame:
    """The pairs of a frame, as its keys and its values; pairs are made when they are asked for."""

    __slots__ = ("keys", "values")

    def __init__(self, keys: list[Any], values: list[Any]) -> None:
        if len(keys) != len(values):
            raise PySparkRuntimeError(f"a frame has {len(keys)} keys and {len(values)} values")
        self.keys = keys
        self.values = values

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        # Where they are only taken apart, it is the same tuple's memory again and again.
        return zip(self.keys, self.values)


class FrameReader:
    """Loads the frames of one stream, in order."""

    def __init__(self) -> None:
        self._classes: ClassReader | None = None

    def load(self, buf: Buffer) -> list[Any]:
        """The records of one frame, given with its header."""
        length, kind = _HEADER.unpack_from(buf)
        if len(buf) != length + HEADER_BYTES:
            raise PySparkRuntimeError(f"a frame of {len(buf)} bytes says it has {length}")
        frame = self._body(kind, memoryview(buf)[HEADER_BYTES:])
        return frame if type(frame) is list else list(frame)

    def frames(self, buf: Buffer | Checked) -> Iterator[list[Any]]:
        """The records of a buffer of whole frames, frame by frame."""
        for frame in self.lazy_frames(buf):
            yield frame if type(frame) is list else list(frame)

    def lazy_frames(self, buf: Buffer | Checked) -> Iterator[Iterable[Any]]:
        """As `frames`, but a frame of pairs is a `PairFrame`."""
        if isinstance(buf, Checked):
            yield from self._checked(buf)
            return
        view = memoryview(buf)
        size, position = len(view), 0
        while position < size:
            if size - position < HEADER_BYTES:
                raise PySparkRuntimeError("a block ends inside a frame")
            length, kind = _HEADER.unpack_from(view, position)
            position += HEADER_BYTES
            if length > size - position:
                raise PySparkRuntimeError("a block ends inside a frame")
            yield self._body(kind, view[position : position + length])
            position += length

    def _checked(self, source: Checked) -> Iterator[Iterable[Any]]:
        while head := source.read(HEADER_BYTES):
            length, kind = _HEADER.unpack(head) if len(head) == HEADER_BYTES else (-1, 0)
            body = source.read(max(length, 0))
            if len(body) != length:
                raise PySparkRuntimeError("a block ends inside a frame")
            yield self._body(kind, body)

    def _body(self, kind: int, body: memoryview) -> Iterable[Any]:
        with no_gc():
            if kind & _CLASSES:
                kind, body = kind - _CLASSES, self._without_table(body)
            if kind == _PAIRS:
                keys, values = pickle.loads(body)
                return PairFrame(keys, _records(values))
            if kind == _ROWS:
                return _records(pickle.loads(body))
            if kind == _KEYS:
                return zip(pickle.loads(body), repeat(None))
        raise PySparkRuntimeError(f"a frame of unknown kind {kind}")

    def _without_table(self, body: memoryview) -> memoryview:
        if self._classes is None:
            self._classes = ClassReader()
        (length,) = _TABLE.unpack_from(body)
        end = _TABLE.size + length
        if length:
            self._classes.learn(body[_TABLE.size : end])
        return body[end:]


def iter_frames(buf: Buffer | Checked) -> Iterator[list[Any]]:
    """The records of a block, which is a whole stream, frame by frame."""
    return FrameReader().frames(buf)


def lazy_frames(buf: Buffer | Checked) -> Iterator[Iterable[Any]]:
    """As `iter_frames`, for records that are taken apart (see `FrameReader.lazy_frames`)."""
    return FrameReader().lazy_frames(buf)


def frame_bytes_for(budget: int) -> int:
    """Bytes a frame should not exceed where so many may be used in all."""
    return max(_MIN_FRAME_BYTES, min(FRAME_BYTES, budget // _FRAME_PART))


def next_frame_records(records: int, num_bytes: int, max_bytes: int = FRAME_BYTES) -> int:
    """How many records the next frame should have, after one of this size.

    Not many times more at once: what comes may be larger.
    """
    fitting = records * max_bytes // max(num_bytes, 1)
    return max(1, min(FRAME_RECORDS, fitting, _GROWTH * records))


def dump_records(
    records: Iterable[Any], by_value: bool = False, max_bytes: int = FRAME_BYTES, first: int = 32
) -> Iterator[bytes]:
    """A stream of all records; the sizes of frames adapt to the records'.

    The first frame is small, since how large records are is not known yet: one record where
    each may be as large as a frame.
    """
    iterator = iter(records)
    writer = FrameWriter(by_value)
    step = first
    while batch := list(islice(iterator, step)):
        frame = writer.rows(batch)
        step = next_frame_records(len(batch), len(frame), max_bytes)
        yield frame
