"""Sorting the pairs of a partition, with runs on disk where memory is refused.

Stable, also when descending and also when spilled: pairs with equal keys stay
in the order they came, as with `sorted(reverse=True)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter
from typing import Any

from minispark.kernels.ordering import refuse_keys
from minispark.plan.nodes import Ordering
from minispark.shuffle.gauge import Gauge
from minispark.shuffle.runs import merge_runs
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager, Reservation
from minispark.storage.serializer import dump_records
from minispark.storage.spill import SpillFile, SpillRange

#: Runs merged at a time: each has a frame in memory.
_FAN_IN = 64
_MERGE_FRAME_BYTES = 1 << 17


class ExternalSorter:
    """Sorts pairs by `ordering`; one call of `sort` per object."""

    def __init__(
        self, ordering: Ordering, *, files: NodeFiles, memory: MemoryManager, task_id: int
    ) -> None:
        self._key = _pair_key(ordering.keyfunc)
        self._reverse = not ordering.ascending
        self._files = files
        self._reservation = Reservation(memory, task_id)
        self._spill: SpillFile | None = None
        self._runs: list[SpillRange] = []

    @property
    def is_spilled(self) -> bool:
        """Whether anything went to disk."""
        return self._spill is not None

    def sort(self, records: Iterable[Any]) -> Iterator[Any]:
        """The records in order; the input is read before this returns."""
        gauge = Gauge(self._reservation)
        iterator = iter(records)
        buffer: list[Any] = []
        while probe := list(islice(iterator, gauge.probe)):
            buffer += probe
            buffer += islice(iterator, gauge.step)
            if not gauge.list_fits(probe, len(probe) + gauge.step):
                self._write_run(buffer)
                buffer = []
                gauge.reset()
        if self._spill is None:
            self._order(buffer)
            return chain(buffer, self._closing())
        if buffer:
            self._write_run(buffer)
        del buffer
        self._reservation.release()
        return self._merged()

    def _order(self, buffer: list[Any]) -> None:
        try:
            buffer.sort(key=self._key, reverse=self._reverse)
        except TypeError as error:
            refuse_keys(map(self._key, buffer), error)

    def _closing(self) -> Iterator[Any]:
        self.close()
        yield from ()

    def close(self) -> None:
        """Gives memory and disk back."""
        self._spill = None
        self._runs = []
        self._reservation.release()

    def __enter__(self) -> ExternalSorter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_run(self, buffer: list[Any]) -> None:
        if self._spill is None:
            self._spill = SpillFile(self._files)
        self._order(buffer)
        self._runs.append(self._append(self._spill, buffer))

    def _append(self, spill: SpillFile, records: Iterable[Any]) -> SpillRange:
        return spill.append(dump_records(records, max_bytes=_MERGE_FRAME_BYTES))

    def _merged(self) -> Iterator[Any]:
        spill, runs = self._spill, self._runs
        assert spill is not None
        try:
            while len(runs) > _FAN_IN:
                # Neighbours only, and in order: equal keys keep theirs. The new
                # runs go to a new file, so that the old ones' space is free again.
                target = SpillFile(self._files)
                runs = [
                    self._append(target, self._merge(spill, runs[i : i + _FAN_IN]))
                    for i in range(0, len(runs), _FAN_IN)
                ]
                spill = self._spill = target
            yield from self._merge(spill, runs)
        finally:
            self.close()

    def _merge(self, spill: SpillFile, runs: list[SpillRange]) -> Iterator[Any]:
        streams = [spill.frames(where) for where in runs]
        return chain.from_iterable(merge_runs(streams, self._key, self._reverse))


def _pair_key(keyfunc: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if keyfunc is None:
        return itemgetter(0)
    return lambda pair: keyfunc(pair[0])
