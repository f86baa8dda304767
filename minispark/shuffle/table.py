"""Hash tables over keys that move to disk when memory is refused.

Rules. Keys come in the order of their first occurrence, spilled or not. What
belongs to one key is merged in the order in which it came. While memory is
granted, this is one dict.

Spilling. A full table is split by the hash of its keys into `_FAN_OUT` runs of
`(sequence, key, part)`, the sequence being the position at which the key was
first seen. In the end each bucket's runs are merged, one bucket at a time, and
written in the order of their sequences; the buckets are then merged by them. A
bucket that does not fit is split again by other bits of the hash. What cannot
be split because it is one key may be moved to disk by the subclass (`shrink`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress, count, islice, repeat
from operator import itemgetter
from typing import Any

from minispark.shuffle.gauge import SLOT_BYTES, Gauge
from minispark.shuffle.passes import UNPICKLED, fan_in, merged_down
from minispark.shuffle.runs import merge_runs
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager, Reservation
from minispark.storage.serializer import dump_records, frame_bytes_for
from minispark.storage.spill import SpillFile, SpillRange

_FAN_OUT = 16
#: Entries that are spread over the runs at a time; a frame of usual size for each run.
_SPLIT_ENTRIES = 1 << 14
#: After so many splits keys have equal hashes: no further split helps.
_MAX_DEPTH = 6
#: Frames of runs that are read at the same time are small.
_MERGE_FRAME_BYTES = 1 << 16

#: What the sequence of a key takes while its bucket is merged.
_SEQUENCE_BYTES = SLOT_BYTES + 32

#: One part of what belongs to a key: (sequence, key, part).
Entry = tuple[int, Any, Any]
_sequence_of = itemgetter(0)


def _by_sequence(streams: list[Iterator[list[Entry]]]) -> Iterator[list[Entry]]:
    return merge_runs(streams, _sequence_of)


class SpillableTable:
    """Base: a dict from keys to what subclasses make of the keys' records."""

    def __init__(self, *, files: NodeFiles, memory: MemoryManager, task_id: int) -> None:
        self._files = files
        self._budget = memory.total_bytes
        self._frame_bytes = frame_bytes_for(memory.total_bytes)
        #: The largest frame of each merged bucket, where an entry makes it large.
        self._large_frames: list[int] = []
        self._reservation = Reservation(memory, task_id)
        #: Of what is in memory, over all calls of `insert_all`.
        self._gauge = Gauge(self._reservation)
        self._table: dict[Any, Any] = {}
        self._spill: SpillFile | None = None
        #: Per bucket, its runs in the order they were written.
        self._runs: list[list[SpillRange]] = [[] for _ in range(_FAN_OUT)]
        #: Keys of the tables spilled so far: the next key's sequence.
        self._sequence = 0
        #: By sequence: what `shrink` moved to disk, of merged keys.
        self._moved: dict[int, Any] = {}

    # What subclasses say.

    def _add(self, table: dict[Any, Any], records: Iterable[Any]) -> None:
        """Adds incoming records to a table."""
        raise NotImplementedError

    def _add_parts(self, table: dict[Any, Any], parts: Iterable[tuple[Any, Any]]) -> None:
        """Adds pairs of a key and a part of what belongs to it."""
        raise NotImplementedError

    def _entries(self, sequences: Iterable[int], table: dict[Any, Any]) -> Iterable[Entry | None]:
        """The table as it is written, in parts that are not too large.

        None where what was given is to be written before there is more: parts that were
        made for it, or come from disk.
        """
        return zip(sequences, table, table.values())

    def _fits(self, gauge: Gauge, table: dict[Any, Any], probe: list[Any], count: int) -> bool:
        """Asks the gauge; `probe` are some of the last `count` records."""
        return gauge.table_fits(table, count)

    def _parts_fit(self, gauge: Gauge, table: dict[Any, Any], parts: list[Any], count: int) -> bool:
        """Asks the gauge about a table to which parts of weight `count` came."""
        return gauge.table_fits(table, count)

    def _weight(self, table: dict[Any, Any], key: Any, part: Any) -> int:
        """What a part counts for in the gauge's steps: nothing if it goes to disk."""
        return 1

    def _weights(self, parts: Sequence[Any]) -> list[int]:
        """The weights of parts while nothing of the table is on disk."""
        return [1] * len(parts)

    def _shrink(self, table: dict[Any, Any], gauge: Gauge) -> bool:
        """Moves the largest values of a table to disk; whether there were any."""
        return False

    def _before_writing(self, table: dict[Any, Any], gauge: Gauge) -> None:
        """A merged table is about to be written, its values as they are."""

    def _without_moved(self, value: Any) -> tuple[Any, Any]:
        """What is written of a value, and what is on disk already; None if nothing is."""
        return value, None

    def _with_moved(self, kept: Any, moved: Any) -> Any:
        """The value of which that was written, and that was on disk."""
        return moved

    # The table.

    def insert_all(self, records: Iterable[Any]) -> None:
        """Adds records; may be called again."""
        gauge = self._gauge
        iterator = iter(records)
        while probe := list(islice(iterator, gauge.probe)):
            self._add(self._table, probe)
            if gauge.step:
                self._add(self._table, islice(iterator, gauge.step))
            if not self._fits(gauge, self._table, probe, len(probe) + gauge.step):
                self._spill_table()
                gauge.reset()

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Each key with what belongs to it. Once only."""
        if self._spill is None:
            table, self._table = self._table, {}
            # Chained, not yielded one by one: this is the common path.
            return chain(table.items(), self._closing())
        self._spill_table()
        self._reservation.release()
        return self._merged()

    def _closing(self) -> Iterator[Any]:
        self.close()
        yield from ()

    @property
    def is_spilled(self) -> bool:
        """Whether anything went to disk."""
        return self._spill is not None

    def close(self) -> None:
        """Gives memory and disk back; what was given out stays readable."""
        self._table = {}
        self._moved = {}
        self._spill = None
        self._reservation.release()

    def __enter__(self) -> SpillableTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _file(self) -> SpillFile:
        if self._spill is None:
            self._spill = SpillFile(self._files)
        return self._spill

    def _spill_table(self) -> None:
        table, self._table = self._table, {}
        first, self._sequence = self._sequence, self._sequence + len(table)
        self._write_runs(self._entries(count(first), table))

    def _write_runs(self, entries: Iterable[Entry | None]) -> None:
        for bucket, where in self._write_split(entries, 0):
            self._runs[bucket].append(where)

    def _write_split(
        self, entries: Iterable[Entry | None], depth: int
    ) -> Iterator[tuple[int, SpillRange]]:
        buckets: list[list[Entry]] = [[] for _ in range(_FAN_OUT)]
        shift = 60 - 4 * depth
        iterator = iter(entries)
        # Some at a time: the entries of a whole table would be half of it once more.
        for first in iterator:
            if first is None:
                continue
            some: list[Entry] = [first]
            some += islice(iter(iterator.__next__, None), _SPLIT_ENTRIES - 1)
            # The hash of a tuple spreads that of its member over all bits.
            spreads = map(hash, zip([key for _, key, _ in some]))
            for spread, entry in zip(spreads, some, strict=True):
                buckets[spread >> shift & _FAN_OUT - 1].append(entry)
            some.clear()
            for bucket, members in enumerate(buckets):
                if members:
                    frames = dump_records(members, max_bytes=self._frame_bytes, first=1)
                    yield bucket, self._file().append(frames)
                    members.clear()

    def _merged(self) -> Iterator[tuple[Any, Any]]:
        spill = self._file()
        try:
            ordered: list[SpillRange] = []
            for runs in self._runs:
                ordered += self._merge_bucket(runs, 1)
            # A merged run has the large frames of all.
            in_all = UNPICKLED * sum(self._large_frames)
            large = max(self._large_frames) if in_all > self._budget else 0
            spill, ordered = merged_down(
                spill,
                ordered,
                _by_sequence,
                at_most=fan_in(self._budget, _MERGE_FRAME_BYTES, UNPICKLED * large),
                frame_bytes=_MERGE_FRAME_BYTES,
                files=self._files,
            )
            for entries in _by_sequence([spill.frames(where) for where in ordered]):
                if not self._moved:
                    yield from [(key, value) for _, key, value in entries]
                    continue
                for sequence, key, value in entries:
                    if sequence in self._moved:
                        value = self._with_moved(value, self._moved.pop(sequence))
                    yield key, value
        finally:
            self.close()

    def _merge_bucket(self, runs: list[SpillRange], depth: int) -> list[SpillRange]:
        """Merges the runs of a bucket into runs without common keys, each in order."""
        spill = self._file()
        table: dict[Any, Any] = {}
        #: Sequences of the table's keys: both are in the order of insertion,
        #: and runs are read in the order of their sequences.
        sequences: dict[Any, int] = {}
        gauge = Gauge(self._reservation, SLOT_BYTES + _SEQUENCE_BYTES)
        pending, unseen_bytes = 0, 0.0
        has_moved = False
        frames = chain.from_iterable(map(spill.sized_frames, runs))
        for frame, num_bytes in frames:
            seen_at, keys, parts = zip(*frame, strict=True)
            deque(map(sequences.setdefault, keys, seen_at), maxlen=0)
            # Before the parts become the table's, which lengthens them.
            weights = (
                list(map(self._weight, repeat(table), keys, parts))
                if has_moved
                else self._weights(parts)
            )
            weight = sum(weights)
            pending += weight
            # Of the frame, what stays in memory.
            kept_bytes = num_bytes * weight / max(1, sum(self._weights(parts)))
            unseen_bytes += kept_bytes
            self._add_parts(table, zip(keys, parts, strict=True))
            kept = list(compress(parts, weights))
            # What comes may be larger than what came.
            is_due = pending >= gauge.step or unseen_bytes >= self._reservation.allowance
            if not is_due or not kept:
                continue
            # As many like these as there were bytes.
            like_these = int(weight * unseen_bytes / kept_bytes)
            if not self._parts_fit(gauge, table, kept, max(like_these, 1)):
                gauge.step = 0
                if self._shrink(table, gauge):
                    has_moved = True
                elif len(table) > 1 and depth < _MAX_DEPTH:
                    return self._split_bucket(table, sequences, frames, depth)
            pending, unseen_bytes = 0, 0.0
        self._before_writing(table, gauge)
        where = self._write_ordered(table, sequences)
        self._reservation.release()
        return [where]

    def _write_ordered(self, table: dict[Any, Any], sequences: dict[Any, int]) -> SpillRange:
        def entries() -> Iterator[Entry]:
            for sequence, (key, value) in zip(sequences.values(), table.items(), strict=True):
                kept, moved = self._without_moved(value)
                if moved is not None:
                    self._moved[sequence] = moved
                yield sequence, key, kept

        largest = 0

        def frames() -> Iterator[bytes]:
            nonlocal largest
            for frame in dump_records(entries(), max_bytes=_MERGE_FRAME_BYTES, first=1):
                largest = max(largest, len(frame))
                yield frame

        where = self._file().append(frames())
        if largest > 2 * _MERGE_FRAME_BYTES:
            self._large_frames.append(largest)
        return where

    def _split_bucket(
        self,
        table: dict[Any, Any],
        sequences: dict[Any, int],
        frames: Iterator[tuple[list[Entry], int]],
        depth: int,
    ) -> list[SpillRange]:
        runs: list[list[SpillRange]] = [[] for _ in range(_FAN_OUT)]

        def write(entries: Iterable[Entry | None]) -> None:
            for bucket, where in self._write_split(entries, depth):
                runs[bucket].append(where)

        write(self._entries(sequences.values(), table))
        table.clear()
        sequences.clear()
        self._reservation.release()
        for frame, _ in frames:
            write(frame)
        merged: list[SpillRange] = []
        for members in runs:
            merged += self._merge_bucket(members, depth + 1)
        return merged
