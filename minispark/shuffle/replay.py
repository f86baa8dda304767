"""Records that are iterated several times: the inner side of a cartesian product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager, Reservation
from minispark.storage.serializer import dump_records
from minispark.storage.sizing import estimate_bytes
from minispark.storage.spill import SpillFile, SpillRange

_CHUNK = 1000


class Replayable(Iterable[Any]):
    """Keeps records in memory as far as it is granted, the rest in a file."""

    def __init__(
        self, records: Iterator[Any], *, files: NodeFiles, memory: MemoryManager, task_id: int
    ) -> None:
        self._memory: list[Any] = []
        self._spill: SpillFile | None = None
        self._ranges: list[SpillRange] = []
        reservation = Reservation(memory, task_id)
        held = 0
        while chunk := list(islice(records, _CHUNK)):
            held += estimate_bytes(chunk, sample=50)
            # Once something is on disk all the rest follows, to keep the order.
            if self._spill is None and reservation.covers(held):
                self._memory += chunk
                continue
            if self._spill is None:
                self._spill = SpillFile(files)
            self._ranges.append(self._spill.append(dump_records(chunk)))

    def __iter__(self) -> Iterator[Any]:
        yield from self._memory
        if self._spill is not None:
            for where in self._ranges:
                for frame in self._spill.frames(where):
                    yield from frame
