"""Merging more runs than fit in memory at a time, pass by pass.

Each run that is merged has a frame in memory, so the budget says how many are. Knows
nothing of the order that runs are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from minispark.storage.files import NodeFiles
from minispark.storage.serializer import dump_records
from minispark.storage.spill import SpillFile, SpillRange

#: The most runs that are merged at a time; few are merged in any case.
_MOST, _LEAST = 64, 4
#: How many times larger records are than their pickled frame.
UNPICKLED = 4

#: Merges runs, each given frame by frame.
Merge = Callable[[list[Iterator[list[Any]]]], Iterator[list[Any]]]


def fan_in(budget: int, frame_bytes: int, record_bytes: int = 0) -> int:
    """How many runs may be merged at a time, by the size of their frames and records.

    A frame has one record at least, however large.
    """
    each = max(UNPICKLED * frame_bytes, record_bytes)
    return max(_LEAST, min(_MOST, budget // each))


def merged_down(
    spill: SpillFile,
    runs: list[SpillRange],
    merge: Merge,
    *,
    at_most: int,
    frame_bytes: int,
    files: NodeFiles,
) -> tuple[SpillFile, list[SpillRange]]:
    """The same records in at most so many runs, and the file that has them.

    Neighbours only are merged, and in order: equal keys keep theirs. The new runs go to a
    new file, so that the old ones' space is free again.
    """
    while len(runs) > at_most:
        target, merged = SpillFile(files), []
        for i in range(0, len(runs), at_most):
            frames = merge([spill.frames(where) for where in runs[i : i + at_most]])
            records = chain.from_iterable(frames)
            merged.append(target.append(dump_records(records, max_bytes=frame_bytes, first=1)))
        spill, runs = target, merged
    return spill, runs
