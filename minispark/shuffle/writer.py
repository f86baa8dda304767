"""The map side of a shuffle: records in, one file of blocks out.

Owns placing keys, combining before writing, and spilling when memory is
refused. Within a block, records are in the order they came; combined ones in
the order of their keys' first occurrence, so that a recomputed file has the
same contents as the lost one.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from minispark.plan.fuse import loop_over
from minispark.plan.nodes import Aggregator
from minispark.shuffle.columns import PairColumns
from minispark.shuffle.feed import Feed, has_keys_only
from minispark.shuffle.format import BlockLayout, encode_size, map_output_name
from minispark.shuffle.gauge import Gauge
from minispark.shuffle.pairs import reraise_for
from minispark.shuffle.placing import Partition, deal, place, raise_place_error, scatter
from minispark.storage.dynamic import Definitions
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager, Reservation
from minispark.storage.pages import Pages
from minispark.storage.serializer import (
    FRAME_RECORDS,
    FrameWriter,
    frame_bytes_for,
    next_frame_records,
)
from minispark.storage.sizing import estimate_bytes
from minispark.storage.spill import SpillFile, SpillRange

#: Records whose keys are placed at a time.
_BATCH = 8192
#: How large a batch may be, also as a part of the budget.
_BATCH_BYTES, _BATCH_PART = 1 << 22, 16
_MIN_BATCH_BYTES = 1 << 16
#: As long as nothing is known of their sizes, records that fill one if they have so many
#: bytes; then so many times more each time.
_UNKNOWN_BYTES, _BATCH_GROWTH = 1 << 18, 16
#: A bucket of so many bytes becomes a frame.
_BUCKET_BYTES = 1 << 18
#: Frames that are put on disk at a time where memory was refused.
_SPILL_BYTES = 1 << 20
#: Pairs of a batch that stand for all of it.
_SAMPLE = 60
#: The part of the budget that frames may take before they are spilled.
_FRAMES_PART = 8
#: Frames that may be in the heap, also as a part of what is in memory.
_HEAP_BYTES, _HEAP_PART = 1 << 21, 16


class Written(NamedTuple):
    """What the driver is told of a map output."""

    #: One byte per block (`format.encode_size`).
    sizes: bytes
    #: The bytes of all blocks.
    total_bytes: int
    #: See `MapStatus.fingerprint`.
    fingerprint: int


def write_map_output(
    records: Iterator[Any],
    *,
    shuffle_id: int,
    map_id: int,
    attempt: int,
    num_reducers: int,
    partition: Partition,
    aggregator: Aggregator | None,
    map_side_combine: bool,
    files: NodeFiles,
    memory: MemoryManager,
    task_id: int,
) -> Written:
    """Writes the output of one map task; says what it is like.

    `partition(key) % num_reducers` is the block of a key. With
    `map_side_combine` a block holds `(key, combiner)`, a key possibly more
    than once; without, the pairs as they came.

    Raises
    ------
    PySparkTypeError
        A record is not a pair, or its key cannot be hashed.
    DiskFullError
        The node's directory cannot take the output.
    """
    combines = aggregator is not None and map_side_combine
    # Plain pairs are frames from the start, which the reservation counts.
    beside = memory.total_bytes // _FRAMES_PART if combines else memory.total_bytes
    output = _MapOutput(num_reducers, files, memory, beside)
    reservation = Reservation(memory, task_id)
    try:
        if aggregator is not None and map_side_combine:
            _write_combined(
                records, output, partition, aggregator, reservation, _batch_bytes(memory)
            )
        else:
            _write_plain(records, output, partition, reservation, _batch_bytes(memory))
        return output.finish(map_output_name(shuffle_id, map_id, attempt))
    finally:
        output.close()
        reservation.release()


def _batch_bytes(memory: MemoryManager) -> int:
    """How large a batch of records may be."""
    return max(_MIN_BATCH_BYTES, min(_BATCH_BYTES, memory.total_bytes // _BATCH_PART))


class _MapOutput:
    """Frames per reduce partition: the last ones in memory, earlier ones spilled."""

    def __init__(
        self, num_reducers: int, files: NodeFiles, memory: MemoryManager, max_bytes: int
    ) -> None:
        self.num_reducers = num_reducers
        self._files = files
        self._memory = memory
        #: What frames may occupy beside the table that they are made of.
        self._max_bytes = max_bytes
        self._frame_bytes = frame_bytes_for(memory.total_bytes)
        self._heap_bytes = max(_HEAP_BYTES, max_bytes // _HEAP_PART)
        self._frames: list[list[bytes | memoryview]] = [[] for _ in range(num_reducers)]
        self._pages = Pages()
        #: A block is a stream of frames; spilled ones come first in it.
        definitions: Definitions = {}
        self._writers = [FrameWriter(definitions=definitions) for _ in range(num_reducers)]
        #: Bytes of the frames in memory.
        self.num_bytes = 0
        self._spill: SpillFile | None = None
        self._ranges: list[list[SpillRange]] = [[] for _ in range(num_reducers)]
        #: Records per block.
        self._counts = array("Q", bytes(8 * num_reducers))
        #: Whether the counts may depend on when memory was short.
        self.is_cut_by_memory = False

    def add(
        self,
        reduce_id: int,
        keys: list[Any],
        values: list[Any] | None,
        first: int = FRAME_RECORDS,
        count: int | None = None,
    ) -> None:
        """Appends pairs to a block; `first` of them make the first frame.

        Without `values` each key is paired with None. `count` is how many pairs there
        were, if some were cut by their size, of which only estimates are known.
        """
        self._counts[reduce_id] += len(keys) if count is None else count
        position, step = 0, min(first, max(32, len(keys)))
        frames, writer = self._frames[reduce_id], self._writers[reduce_id]
        while position < len(keys):
            end = position + step
            if values is None:
                frame = writer.keys(keys[position:end])
            elif position == 0 and end >= len(keys):
                frame = writer.pairs(keys, values)
            else:
                frame = writer.pairs(keys[position:end], values[position:end])
            frames.append(self._kept(frame))
            self.num_bytes += len(frame)
            if self.num_bytes > self._max_bytes:
                self.spill()
            position, step = end, next_frame_records(step, len(frame), self._frame_bytes)

    def _kept(self, frame: bytes) -> bytes | memoryview:
        if self.num_bytes < self._heap_bytes:
            return frame
        if self._pages.must_grow(frame) and self._memory.room() < len(frame):
            self.spill()
        return self._pages.keep(frame)

    def spill(self) -> None:
        """Moves the frames in memory to the spill file."""
        if self._spill is None:
            self._spill = SpillFile(self._files)
        for frames, ranges in zip(self._frames, self._ranges, strict=True):
            if frames:
                ranges.append(self._spill.append(frames))
                frames.clear()
        self._pages.clear()
        self.num_bytes = 0

    def finish(self, name: str) -> Written:
        """Writes the file: each block's spilled frames, then those in memory."""
        layout = BlockLayout()
        self._files.write_atomic(name, self._chunks(layout))
        # Nothing that may differ where the records do not: no bytes, no sizes.
        fingerprint = 0 if self.is_cut_by_memory else zlib.crc32(self._counts) or 1
        sizes = bytes(map(encode_size, layout.lengths))
        return Written(sizes, sum(layout.lengths), fingerprint)

    def _chunks(self, layout: BlockLayout) -> Iterator[bytes | memoryview]:
        for reduce_id in range(self.num_reducers):
            yield from layout.block(self._block(reduce_id))
        yield layout.footer()

    def _block(self, reduce_id: int) -> Iterator[bytes | memoryview]:
        if self._spill is not None:
            for where in self._ranges[reduce_id]:
                yield from self._spill.raw(where)
        yield from self._frames[reduce_id]

    def close(self) -> None:
        """Drops what is spilled."""
        if self._spill is not None:
            self._spill.close()


def _write_combined(
    records: Iterator[Any],
    output: _MapOutput,
    partition: Partition,
    aggregator: Aggregator,
    reservation: Reservation,
    batch_bytes: int,
) -> None:
    loop = loop_over(records)
    if loop.never_multiplies and has_keys_only(loop, aggregator):
        from minispark.shuffle.keys import write_keys  # for few programs (ADR 0032)

        write_keys(loop, output, partition, reservation, batch_bytes)
        return
    is_group = aggregator.kind == "group"
    table: dict[Any, Any] = {}
    gauge = Gauge(reservation)
    feed = Feed(loop, aggregator, table)

    def flush() -> None:
        # No frame is much larger than others, also where records are large.
        first = min(FRAME_RECORDS, gauge.keys_in(_BUCKET_BYTES))
        if feed.is_of_keys:
            _flush_keys(table, output, partition, first)
        else:
            _flush_table(table, output, partition, first, is_group)

    while not feed.is_done:
        count = gauge.probe + gauge.step
        feed.advance(count)
        fits = (
            gauge.groups_fit(table, feed.sample_values(), count)
            if is_group
            else gauge.table_fits(table, count)
        )
        if not fits:
            flush()
            output.spill()
            output.is_cut_by_memory = True  # keys come once per table
            gauge.reset()
    flush()


def _flush_keys(
    table: dict[Any, None], output: _MapOutput, partition: Partition, first: int
) -> None:
    """As `_flush_table`, for a table without values."""
    hands = deal(table, partition, output.num_reducers)
    table.clear()
    for reduce_id, members in enumerate(hands):
        output.add(reduce_id, members, None, first)
        members.clear()


def _flush_table(
    table: dict[Any, Any], output: _MapOutput, partition: Partition, first: int, is_group: bool
) -> None:
    num_reducers = output.num_reducers
    keys: list[list[Any]] = [[] for _ in range(num_reducers)]
    values: list[list[Any]] = [[] for _ in range(num_reducers)]
    try:
        if num_reducers == 1:
            place(table, partition, 1)  # which may refuse a key
            keys[0], values[0] = list(table), list(table.values())
        else:
            scatter(table, table.values(), partition, keys, values)
    except TypeError as error:
        raise_place_error(table, partition, error)
    value_bytes = _mean_value(table) if is_group else 0
    table.clear()
    for reduce_id in range(num_reducers):
        count = len(keys[reduce_id])
        if is_group:
            keys[reduce_id], values[reduce_id], first = _cut_groups(
                keys[reduce_id], values[reduce_id], value_bytes
            )
        output.add(reduce_id, keys[reduce_id], values[reduce_id], first, count)
        keys[reduce_id] = values[reduce_id] = []


def _mean_value(table: dict[Any, list[Any]]) -> int:
    """About the bytes of a value, by some of the groups that came last."""
    sample = [v for k in islice(reversed(table), _SAMPLE) for v in table[k][-4:]]
    return max(1, estimate_bytes(sample) // max(1, len(sample)))


def _cut_groups(
    keys: list[Any], groups: list[list[Any]], value_bytes: int
) -> tuple[list[Any], list[list[Any]], int]:
    """Cuts long lists, so that no frame is as large as the largest group.

    Also says how many make the first frame: how large they are otherwise, frames show.
    """
    most = max(1, min(FRAME_RECORDS, _BUCKET_BYTES // value_bytes))
    largest = max(map(len, groups), default=1)
    first = max(1, min(FRAME_RECORDS, _BUCKET_BYTES // (value_bytes * min(largest, most))))
    if largest <= most:
        return keys, groups, first
    new_keys: list[Any] = []
    parts: list[list[Any]] = []
    done = 0
    for i, length in enumerate(map(len, groups)):
        if length > most:
            new_keys += keys[done:i]
            parts += groups[done:i]
            for start in range(0, length, most):
                new_keys.append(keys[i])
                parts.append(groups[i][start : start + most])
            done = i + 1
    new_keys += keys[done:]
    parts += groups[done:]
    return new_keys, parts, first


def _write_plain(
    records: Iterator[Any],
    output: _MapOutput,
    partition: Partition,
    reservation: Reservation,
    batch_bytes: int,
) -> None:
    num_reducers = output.num_reducers
    keys: list[list[Any]] = [[] for _ in range(num_reducers)]
    values: list[list[Any]] = [[] for _ in range(num_reducers)]
    #: Records in `keys` and `values`.
    pending = 0
    size = max(4, batch_bytes // _UNKNOWN_BYTES)
    columns = PairColumns(records)
    while (batch := columns.take(size))[0]:
        taken = len(batch[0])
        try:
            placed = scatter(*batch, partition, keys, values)
        except (TypeError, ValueError) as error:
            for record in zip(*batch, strict=True):
                _check_pair(record, partition, error)
            raise_place_error(batch[0], partition, error)
        pending += taken
        step = max(1, taken // _SAMPLE)
        sample = [*zip(batch[0][::step], batch[1][::step], strict=True)]
        record_bytes = max(1, estimate_bytes(sample) // len(sample))
        del batch, sample
        # Frames have fewer records where these are large, and so have batches.
        full = max(1, min(FRAME_RECORDS, _BUCKET_BYTES // record_bytes))
        for p in placed:
            if len(keys[p]) >= full:
                pending -= len(keys[p])
                # One frame rather than one and a bit.
                output.add(p, keys[p], values[p], full + full // 2)
                keys[p], values[p] = [], []
        size = max(1, min(_BATCH, _BATCH_GROWTH * size, batch_bytes // record_bytes))
        # With the next batch.
        if not reservation.covers((pending + size) * record_bytes + output.num_bytes):
            output.spill()
            _flush_buckets(keys, values, output, spills=True)
            pending = 0
            reservation.release()
    _flush_buckets(keys, values, output)


def _check_pair(record: Any, partition: Partition, error: Exception) -> None:
    try:
        key, _ = record
        partition(key)
    except (TypeError, ValueError):
        reraise_for(record, error)


def _flush_buckets(
    keys: list[list[Any]], values: list[list[Any]], output: _MapOutput, spills: bool = False
) -> None:
    """Makes frames of all buckets; with `spills` they go to disk as they come."""
    for reduce_id, bucket in enumerate(keys):
        if bucket:
            output.add(reduce_id, bucket, values[reduce_id])
            keys[reduce_id], values[reduce_id] = [], []
            if spills and output.num_bytes > _SPILL_BYTES:
                output.spill()
    if spills:
        output.spill()
