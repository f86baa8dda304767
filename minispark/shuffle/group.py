"""Collecting the values of each key: `groupByKey`, `cogroup` and the joins.

The values of a key are a list. Where they do not fit in memory even alone,
they are `SpilledValues`: they look like a list but come from disk. See
`minispark.shuffle.table` for the order of keys and values and for spilling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any, ClassVar, overload

from minispark.shuffle.gauge import Gauge
from minispark.shuffle.pairs import group_lists, group_values
from minispark.shuffle.table import Entry, SpillableTable
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storage.serializer import FRAME_RECORDS, dump_records
from minispark.storage.spill import SpillFile, SpillRange

#: A group is moved to disk when it has more than this part of a full table.
_LARGE_PART = 0.25
#: A merged group with more than this part of the budget is not written as a whole.
WHOLE_PART = 8
#: How many values stand for all of them.
_SAMPLE = 64
#: How many parts of a list are made before they are written.
_CUT_TOGETHER = 16
#: A part of a group that is written by itself has at most so many bytes, roughly.
PIECE_BYTES = 1 << 18


class SpilledValues(Sequence[Any]):
    """The values of one key, on disk: iterated anew each time, pickled as a list.

    The file is nameless and goes with the last object that reads it.
    """

    __slots__ = ("_length", "_piece", "_ranges", "_spill", "_tail")

    def __init__(self, spill: SpillFile, piece: int = FRAME_RECORDS) -> None:
        self._spill = spill
        self._piece = piece
        self._ranges: list[SpillRange] = []
        #: The last values, too few to write.
        self._tail: list[Any] = []
        self._length = 0

    def __iadd__(self, values: Iterable[Any]) -> SpilledValues:
        before = len(self._tail)
        self._tail += values
        self._length += len(self._tail) - before
        if len(self._tail) >= self._piece:
            self.complete()
        return self

    def complete(self) -> None:
        """Writes what waits for more: nothing comes for now."""
        if self._tail:
            self._ranges.append(self._spill.append(dump_records(self._tail, first=1)))
            self._tail = []

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        for where in self._ranges:
            for frame in self._spill.frames(where):
                yield from frame
        yield from self._tail

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError("list index out of range")
        return next(islice(self, position, None))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, SpilledValues)) or len(other) != self._length:
            return NotImplemented if not isinstance(other, (list, SpilledValues)) else False
        return all(a == b for a, b in zip(self, other, strict=True))

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SpilledValues({self._length} values)"

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


def parts_of(values: Iterable[Any], most: int) -> Iterator[list[Any] | None]:
    """A group in lists of at most `most` values, which fit in a frame.

    None now and then: what was given is to be written before there is more of it.
    """
    if type(values) is list and len(values) <= most:
        yield values
        return
    together = _CUT_TOGETHER if type(values) is list else 1
    iterator = iter(values)
    for given in count(1):
        part = list(islice(iterator, most))
        if not part:
            return
        yield part
        if given % together == 0:
            yield None


class ExternalGrouper(SpillableTable):
    """Key → list of its values, in the order they came.

    Parameters
    ----------
    combined
        Records are `(key, list of values)`, a key possibly several times;
        otherwise they are `(key, value)`.
    """

    def __init__(
        self, *, combined: bool, files: NodeFiles, memory: MemoryManager, task_id: int
    ) -> None:
        super().__init__(files=files, memory=memory, task_id=task_id)
        self._combined = combined
        self._insert = group_lists if combined else group_values
        #: How many values are written together.
        self._piece = FRAME_RECORDS

    def insert_all(self, records: Iterable[Any]) -> None:
        """Adds records; may be called again."""
        if not self._combined:
            super().insert_all(records)
            return
        # Lists differ in length by far, and long ones come together: steps are
        # counted in values.
        gauge = self._gauge
        iterator = iter(records)
        while probe := list(_take_values(iterator, gauge.few)):
            # Before they become the table's, which lengthens them.
            lengths = [len(values) for _, values in probe]
            self._add(self._table, probe)
            if gauge.step:
                self._add(self._table, _take_values(iterator, gauge.step, lengths))
            if not self._parts_fit(gauge, self._table, [v for _, v in probe], sum(lengths)):
                self._spill_table()
                gauge.reset()

    def _add(self, table: dict[Any, Any], records: Iterable[Any]) -> None:
        self._insert(table, records)

    def _add_parts(self, table: dict[Any, Any], parts: Iterable[tuple[Any, Any]]) -> None:
        group_lists(table, parts)

    def _weight(self, table: dict[Any, Any], key: Any, part: Any) -> int:
        return 0 if type(table.get(key)) is SpilledValues else len(part)

    def _weights(self, parts: Sequence[Any]) -> list[int]:
        return list(map(len, parts))

    def _entries(self, sequences: Iterable[int], table: dict[Any, Any]) -> Iterable[Entry | None]:
        if max(map(len, table.values()), default=0) <= self._piece:
            return zip(sequences, table, table.values())
        return self._cut_entries(sequences, table)

    def _cut_entries(
        self, sequences: Iterable[int], table: dict[Any, Any]
    ) -> Iterator[Entry | None]:
        for sequence, (key, values) in zip(sequences, table.items()):
            for part in parts_of(values, self._piece):
                yield None if part is None else (sequence, key, part)

    def _fits(self, gauge: Gauge, table: dict[Any, Any], probe: list[Any], count: int) -> bool:
        fits = gauge.groups_fit(table, [value for _, value in probe], count)
        self._piece = piece_for(gauge.mean_bytes)
        return fits

    def _parts_fit(self, gauge: Gauge, table: dict[Any, Any], parts: list[Any], count: int) -> bool:
        fits = pieces_fit(gauge, table, parts, count)
        self._piece = piece_for(gauge.mean_bytes)
        return fits

    def _shrink(self, table: dict[Any, Any], gauge: Gauge) -> bool:
        return move_large(self._file(), gauge, [(table, k, gauge.mean_bytes) for k in table])

    def _before_writing(self, table: dict[Any, Any], gauge: Gauge) -> None:
        places = ((table, key, gauge.mean_bytes) for key in table)
        move_whole(self._file(), places, self._budget // WHOLE_PART)

    def _without_moved(self, value: Any) -> tuple[Any, Any]:
        return (None, value) if type(value) is SpilledValues else (value, None)


def _take_values(
    iterator: Iterator[Any], limit: int, lengths: list[int] | None = None
) -> Iterator[Any]:
    """Records with lists of `limit` values or a little more; notes their lengths."""
    taken = 0
    for record in iterator:
        taken += len(record[1])
        yield record
        if taken >= limit:
            break
    if lengths is not None:
        lengths.append(taken)


def pieces_fit(
    gauge: Gauge, table: dict[Any, Any], pieces: list[list[Any]], num_values: int, lists: int = 1
) -> bool:
    """Asks the gauge about a table to which lists like `pieces` brought so many values."""
    some = pieces[:: max(1, len(pieces) // _SAMPLE)]
    values = [value for piece in some for value in piece[: max(1, _SAMPLE // len(some))]]
    return gauge.groups_fit(table, values, num_values, lists=lists)


#: A list to move: its container, the key or index there, and the bytes of a value, about.
Place = tuple[Any, Any, int]


def piece_for(value_bytes: int) -> int:
    """How many values of that size are written together."""
    return max(1, min(FRAME_RECORDS, PIECE_BYTES // max(value_bytes, 1)))


def move_large(spill: SpillFile, gauge: Gauge, places: Sequence[Place]) -> bool:
    """Moves lists with a large part of all bytes to disk; whether there was one."""
    lists = [container[key] for container, key, _ in places]
    sizes = [
        len(values) * value_bytes if type(values) is list else 0
        for values, (_, _, value_bytes) in zip(lists, places, strict=True)
    ]
    total, moved = sum(sizes), 0
    for size, values, (container, key, value_bytes) in zip(sizes, lists, places, strict=True):
        if size > total * _LARGE_PART and len(values) > piece_for(value_bytes):
            container[key] = SpilledValues(spill, piece_for(value_bytes))
            container[key] += values
            moved += size
    gauge.went(moved / total if total else 1)
    return moved > 0


def move_whole(spill: SpillFile, places: Iterable[Place], most_bytes: int) -> None:
    """Moves lists of more than so many bytes to disk; completes those that are there.

    While a list is pickled as a whole, it is in memory some times over.
    """
    for container, key, value_bytes in places:
        values = container[key]
        if type(values) is SpilledValues:
            values.complete()
        elif len(values) > 1 and len(values) * value_bytes > most_bytes:  # one has no parts
            container[key] = spilled = SpilledValues(spill, piece_for(value_bytes))
            spilled += values
            spilled.complete()
