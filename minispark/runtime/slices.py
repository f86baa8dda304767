"""Cutting a collection of the driver into slices, and reading one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from minispark.storage.checked import Checked
from minispark.storage.values import dump_value, iter_value

#: The chunks of one pickled slice.
Slice = list[bytes | memoryview]


def sliced(
    collection: Iterable[Any], num_slices: int, max_batch: int
) -> tuple[list[range] | None, list[Slice], int]:
    """A collection as ranges (for a `range`), else as pickled slices; and their batches.

    Arrays and the like are not copied: who gets the slices copies or writes
    them before the caller of `parallelize` goes on.

    Where the cuts are is PySpark's: it makes batches of records and deals
    those out evenly, so that a slice is a whole number of batches.
    """
    if isinstance(collection, range):
        return _cut_range(collection, num_slices), [], 0
    records = collection if type(collection) is list else list(collection)
    batch = max(1, min(len(records) // num_slices, max_batch))
    num_batches = -(-len(records) // batch)
    slices = []
    for i in range(num_slices):
        start = i * num_batches // num_slices * batch
        end = (i + 1) * num_batches // num_slices * batch
        slices.append(dump_value(records[start:end], by_value=True))
    return None, slices, batch


def _cut_range(numbers: range, num_slices: int) -> list[range]:
    size = len(numbers)
    step = numbers.step

    def start(i: int) -> int:
        return numbers.start + i * size // num_slices * step

    return [range(start(i), start(i + 1), step) for i in range(num_slices)]


def read_slice(data: bytes | memoryview | Checked) -> Iterator[Any]:
    """The records of a pickled slice; they are the reader's own and may be changed."""
    return chain.from_iterable(iter_value(data))
