"""Bringing several sources together by key: `cogroup` and the joins.

Every source has a dict of its own from keys to lists of values. While memory is
granted, joins multiply them out without anything in between. When it is refused, the
dicts spill as `minispark.shuffle.table` says, one after the other: a table made of them
would take half as much again at just this moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice
from typing import Any

from minispark.kernels import joins
from minispark.shuffle.gauge import Gauge
from minispark.shuffle.group import (
    WHOLE_PART,
    Place,
    SpilledValues,
    move_large,
    move_whole,
    parts_of,
    piece_for,
    pieces_fit,
)
from minispark.shuffle.pairs import group_columns, group_values
from minispark.shuffle.table import Entry, SpillableTable
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storage.serializer import PairFrame


class CoGrouper(SpillableTable):
    """Key → one list of values per source.

    Keys come in the order of first occurrence when source 0 was read whole,
    then source 1 and so on: insert the sources in that order.
    """

    def __init__(
        self, num_sources: int, *, files: NodeFiles, memory: MemoryManager, task_id: int
    ) -> None:
        super().__init__(files=files, memory=memory, task_id=task_id)
        self._num_sources = num_sources
        #: The groups of each source: what is in memory of them.
        self._sides: list[defaultdict[Any, list[Any]]] = [
            defaultdict(list) for _ in range(num_sources)
        ]
        #: Per source, the values that came in and their bytes.
        self._counts = [0] * num_sources
        self._bytes = [0.0] * num_sources

    def insert_all(self, records: Iterable[Any]) -> None:
        """Adds pairs of the first source."""
        self.insert_source(0, records)

    def insert_source(self, source: int, records: Iterable[Any]) -> None:
        """Adds the pairs of one source."""
        gauge, side = self._gauge, self._sides[source]
        gauge.expect_others()
        iterator = iter(records)
        while probe := list(islice(iterator, gauge.probe)):
            group_values(side, probe)
            if gauge.step:
                group_values(side, islice(iterator, gauge.step))
            values = [value for _, value in probe]
            self._came(source, values, len(probe) + gauge.step)

    def insert_frames(self, source: int, frames: Iterable[Iterable[Any]]) -> None:
        """Adds the pairs of one source, which come as blocks have them: in bounded frames."""
        gauge, side = self._gauge, self._sides[source]
        gauge.expect_others()
        values: list[Any] = []
        count = 0
        for frame in frames:
            if type(frame) is PairFrame:
                values = frame.values
                group_columns(side, frame.keys, values)
            else:
                records = list(frame)
                group_values(side, records)
                values = [value for _, value in records]
            count += len(values)
            if count >= gauge.step:
                self._came(source, values, count)
                count = 0
        if count:
            self._came(source, values, count)

    def _came(self, source: int, values: Sequence[Any], count: int) -> None:
        """Asks the gauge about a side to which `count` values like these came; or spills all."""
        side = self._sides[source]
        others = sum(map(len, self._sides)) - len(side)
        fits = self._gauge.groups_fit(side, values, count, others)
        self._counts[source] += count
        self._bytes[source] += count * self._gauge.last_bytes
        if not fits:
            self._spill_table()
            self._gauge.reset()

    def items(self) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """Each key with its values per source. Once only."""
        if self._spill is None:
            return chain(joins.grouped(self._take_sides()), self._closing())
        return ((key, tuple([vs or [] for vs in groups])) for key, groups in super().items())

    def joined(self, kind: str) -> Iterator[tuple[Any, Any]]:
        """What a join of that kind (see `kernels.joins`) makes of two sources. Once only."""
        if self._spill is None:
            left, right = self._take_sides()
            return chain(joins.OF_TABLES[kind](left, right), self._closing())
        join = joins.OF_GROUPS[kind]
        return ((key, value) for key, groups in self.items() for value in join(groups))

    def close(self) -> None:
        """Gives memory and disk back; what was given out stays readable."""
        for side in self._sides:
            side.clear()
        super().close()

    def _take_sides(self) -> list[defaultdict[Any, list[Any]]]:
        sides, self._sides = self._sides, []
        return sides

    def _value_bytes(self, source: int) -> int:
        """The mean of a source: one may have far larger values than another."""
        return int(self._bytes[source] / max(self._counts[source], 1))

    def _spill_table(self) -> None:
        # One side after the other: of a key that several have, the first sequence counts.
        for source, side in enumerate(self._sides):
            piece = piece_for(self._value_bytes(source))
            first, self._sequence = self._sequence, self._sequence + len(side)
            self._write_runs(
                None if part is None else (sequence, key, (source, part))
                for sequence, (key, values) in zip(count(first), side.items())
                for part in parts_of(values, piece)
            )
            side.clear()

    # The merged table: key → one list per source, or None where there is no value.

    def _add_parts(self, table: dict[Any, Any], parts: Iterable[tuple[Any, Any]]) -> None:
        nothing = [None] * self._num_sources
        for key, (source, values) in parts:
            groups = table.get(key)
            if groups is None:
                groups = table[key] = nothing.copy()
            known = groups[source]
            if known is None:
                groups[source] = values
            else:
                known += values

    def _weight(self, table: dict[Any, Any], key: Any, part: Any) -> int:
        source, values = part
        groups = table.get(key)
        is_moved = groups is not None and type(groups[source]) is SpilledValues
        return 0 if is_moved else len(values)

    def _weights(self, parts: Sequence[Any]) -> list[int]:
        return [len(values) for _, values in parts]

    def _entries(self, sequences: Iterable[int], table: dict[Any, Any]) -> Iterator[Entry | None]:
        pieces = [piece_for(self._value_bytes(source)) for source in range(self._num_sources)]
        for sequence, (key, groups) in zip(sequences, table.items()):
            for source, values in enumerate(groups):
                if values is None:
                    continue
                for part in parts_of(values, pieces[source]):
                    yield None if part is None else (sequence, key, (source, part))

    def _parts_fit(self, gauge: Gauge, table: dict[Any, Any], parts: list[Any], count: int) -> bool:
        pieces = [values for _, values in parts]
        return pieces_fit(gauge, table, pieces, count, self._num_sources)

    def _places(self, table: dict[Any, Any]) -> Iterator[Place]:
        value_bytes = list(map(self._value_bytes, range(self._num_sources)))
        for groups in table.values():
            for source, values in enumerate(groups):
                if values is not None:
                    yield groups, source, value_bytes[source]

    def _shrink(self, table: dict[Any, Any], gauge: Gauge) -> bool:
        return move_large(self._file(), gauge, list(self._places(table)))

    def _before_writing(self, table: dict[Any, Any], gauge: Gauge) -> None:
        # A key's lists are pickled together.
        most = self._budget // WHOLE_PART // self._num_sources
        move_whole(self._file(), self._places(table), most)

    def _without_moved(self, value: Any) -> tuple[Any, Any]:
        is_moved = [type(values) is SpilledValues for values in value]
        if not any(is_moved):
            return value, None
        moved = [values if is_it else None for values, is_it in zip(value, is_moved, strict=True)]
        kept = [None if is_it else values for values, is_it in zip(value, is_moved, strict=True)]
        return kept, moved

    def _with_moved(self, kept: Any, moved: Any) -> Any:
        return [values or others for values, others in zip(kept, moved, strict=True)]
