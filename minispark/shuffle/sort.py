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
from minispark.shuffle.passes import fan_in, merged_down
from minispark.shuffle.runs import merge_runs
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager, Reservation
from minispark.storage.serializer import dump_records
from minispark.storage.spill import SpillFile, SpillRange

_MERGE_FRAME_BYTES = 1 << 17


class ExternalSorter:
    """Sorts pairs by `ordering`; one call of `sort` per object."""

    def __init__(
        self, ordering: Ordering, *, files: NodeFiles, memory: MemoryManager, task_id: int
    ) -> None:
        self._key = _pair_key(ordering.keyfunc)
        self._reverse = not ordering.ascending
        self._files = files
        self._budget = memory.total_bytes
        #: The mean of the run with the largest records.
        self._record_bytes = 0
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
                self._record_bytes = max(self._record_bytes, gauge.mean_bytes)
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
        frames = dump_records(buffer, max_bytes=_MERGE_FRAME_BYTES, first=1)
        self._runs.append(self._spill.append(frames))

    def _merged(self) -> Iterator[Any]:
        assert self._spill is not None
        try:
            self._spill, runs = merged_down(
                self._spill,
                self._runs,
                self._merge,
                at_most=fan_in(self._budget, _MERGE_FRAME_BYTES, self._record_bytes),
                frame_bytes=_MERGE_FRAME_BYTES,
                files=self._files,
            )
            streams = [self._spill.frames(where) for where in runs]
            yield from chain.from_iterable(self._merge(streams))
        finally:
            self.close()

    def _merge(self, streams: list[Iterator[list[Any]]]) -> Iterator[list[Any]]:
        return merge_runs(streams, self._key, self._reverse)


def _pair_key(keyfunc: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if keyfunc is None:
        return itemgetter(0)
    return lambda pair: keyfunc(pair[0])
