"""Whether one reduce partition of a shuffle gets much more than the others.

A pure function of the sizes that map tasks report. Must not know: what is done
about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import add
from typing import NamedTuple

from minispark.scheduler.map_outputs import SIZE_OF_BYTE
from minispark.scheduler.model import MapStatus

#: A partition is skewed from so many times the median,
FACTOR = 5.0
#: and from so many bytes on: below, its task takes no time worth a word.
MIN_BYTES = 16 << 20
#: Map outputs times reducers beyond which nobody looks.
_MAX_SIZES = 4_000_000


class Skew(NamedTuple):
    """The largest partition of a shuffle that is skewed."""

    partition: int
    num_bytes: float
    median_bytes: float
    total_bytes: float
    num_partitions: int


def find_skew(statuses: Sequence[MapStatus | None]) -> Skew | None:
    """The skew of a shuffle, if it has any; sizes are within a tenth."""
    known = [status for status in statuses if status is not None]
    if sum(status.total_bytes for status in known) < MIN_BYTES:
        return None
    num_partitions = len(known[0].sizes)
    if num_partitions < 2 or len(known) * num_partitions > _MAX_SIZES:
        return None
    sums = [0.0] * num_partitions
    for status in known:
        sums = list(map(add, sums, map(SIZE_OF_BYTE.__getitem__, status.sizes)))
    largest = max(sums)
    # Imported here: most programs have no shuffle of such a size (ADR 0032).
    from statistics import median

    middle = median(sums)
    if largest < MIN_BYTES or largest < FACTOR * middle:
        return None
    return Skew(sums.index(largest), largest, middle, sum(sums), num_partitions)
