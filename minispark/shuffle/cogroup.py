"""Bringing several sources together by key: `cogroup` and the joins.

While memory is granted, every source has a dict of its own from keys to lists of
values; joins multiply them out without anything in between. When it is refused,
the dicts become one table, which spills as `minispark.shuffle.table` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from minispark.kernels import joins
from minispark.shuffle.gauge import Gauge
from minispark.shuffle.group import SpilledValues, move_large, pieces_fit, pieces_of
from minispark.shuffle.pairs import NOTHING, group_columns, group_values, reraise_for
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
        #: The groups of each source while nothing is spilled; empty afterwards.
        self._sides: list[defaultdict[Any, list[Any]]] = [
            defaultdict(list) for _ in range(num_sources)
        ]
        self._loop = self._source_loop(0)

    def insert_source(self, source: int, records: Iterable[Any]) -> None:
        """Adds the pairs of one source."""
        self._loop = self._source_loop(source)
        iterator = iter(records)
        if self._spill is None and self._fill_side(source, iterator):
            return
        self.insert_all(iterator)

    def insert_frames(self, source: int, frames: Iterator[Iterable[Any]]) -> None:
        """Adds the pairs of one source, which come as blocks have them."""
        self._loop = self._source_loop(source)
        if self._spill is None and self._fill_side_by_frames(source, frames):
            return
        self.insert_all(chain.from_iterable(frames))

    def items(self) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """Each key with its values per source. Once only."""
        if self._spill is None:
            return chain(joins.grouped(self._take_sides()), self._closing())
        return ((key, tuple(groups)) for key, groups in super().items())

    def joined(self, kind: str) -> Iterator[tuple[Any, Any]]:
        """What a join of that kind (see `kernels.joins`) makes of two sources. Once only."""
        if self._spill is None:
            left, right = self._take_sides()
            return chain(joins.OF_TABLES[kind](left, right), self._closing())
        join = joins.OF_GROUPS[kind]
        return ((key, value) for key, groups in self.items() for value in join(groups))

    def close(self) -> None:
        """Gives memory and disk back; what was given out stays readable."""
        self._sides = []
        super().close()

    # While nothing is spilled.

    def _take_sides(self) -> list[defaultdict[Any, list[Any]]]:
        sides, self._sides = self._sides, []
        return sides

    def _sides_fit(self, source: int, values: Sequence[Any], count: int) -> bool:
        """Asks the gauge about a side to which `count` values like these came; or spills all."""
        side = self._sides[source]
        others = sum(map(len, self._sides)) - len(side)
        if self._gauge.groups_fit(side, values, count, others):
            return True
        self._table = {key: list(groups) for key, groups in joins.grouped(self._take_sides())}
        self._spill_table()
        self._gauge.reset()
        return False

    def _fill_side(self, source: int, records: Iterator[Any]) -> bool:
        """Adds pairs until memory is refused; whether all were added."""
        gauge, side = self._gauge, self._sides[source]
        while probe := list(islice(records, gauge.probe)):
            group_values(side, probe)
            if gauge.step:
                group_values(side, islice(records, gauge.step))
            values = [value for _, value in probe]
            if not self._sides_fit(source, values, len(probe) + gauge.step):
                return False
        return True

    def _fill_side_by_frames(self, source: int, frames: Iterator[Iterable[Any]]) -> bool:
        """The same for whole frames, whose size is bounded."""
        side = self._sides[source]
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
            if count >= self._gauge.step:
                if not self._sides_fit(source, values, count):
                    return False
                count = 0
        return not count or self._sides_fit(source, values, count)

    # The table that spills: key → list of one list per source.

    def _source_loop(self, source: int) -> Callable[[dict[Any, Any], Iterable[Any]], None]:
        indexes = range(self._num_sources)

        def loop(table: dict[Any, Any], records: Iterable[Any]) -> None:
            record: Any = NOTHING
            try:
                for record in records:
                    k, v = record
                    if k in table:
                        table[k][source].append(v)
                    else:
                        groups: list[list[Any]] = [[] for _ in indexes]
                        groups[source].append(v)
                        table[k] = groups
            except (TypeError, ValueError) as error:
                reraise_for(record, error)

        return loop

    def _add(self, table: dict[Any, Any], records: Iterable[Any]) -> None:
        self._loop(table, records)

    def _add_parts(self, table: dict[Any, Any], parts: Iterable[tuple[Any, Any]]) -> None:
        for key, (source, values) in parts:
            groups = table.get(key)
            if groups is None:
                groups = table[key] = [[] for _ in range(self._num_sources)]
            groups[source] += values

    def _weight(self, table: dict[Any, Any], key: Any, part: Any) -> int:
        source, values = part
        groups = table.get(key)
        is_moved = groups is not None and type(groups[source]) is SpilledValues
        return 0 if is_moved else len(values)

    def _weights(self, parts: Sequence[Any]) -> list[int]:
        return [len(values) for _, values in parts]

    def _entries(self, sequences: Iterable[int], table: dict[Any, Any]) -> Iterable[Entry]:
        for sequence, (key, groups) in zip(sequences, table.items()):
            for source, values in enumerate(groups):
                if values:
                    for piece in pieces_of(values):
                        yield sequence, key, (source, piece)

    def _fits(self, gauge: Gauge, table: dict[Any, Any], probe: list[Any], count: int) -> bool:
        return gauge.groups_fit(table, [value for _, value in probe], count)

    def _parts_fit(self, gauge: Gauge, table: dict[Any, Any], parts: list[Any], count: int) -> bool:
        return pieces_fit(gauge, table, [values for _, values in parts], count)

    def _shrink(self, table: dict[Any, Any], gauge: Gauge) -> bool:
        places = [(groups, i) for groups in table.values() for i in range(self._num_sources)]
        return move_large(self._file(), gauge, [g[i] for g, i in places], places)

    def _is_moved(self, value: Any) -> bool:
        return any(type(values) is SpilledValues for values in value)
