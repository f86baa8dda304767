"""The sample from which the bounds of a sort are made, with the count, in one pass.

PySpark counts the records, then samples the fraction that gives so many keys for
each partition of the result. Which number is drawn for a record does not depend
on that fraction, so both fit in one pass: a task keeps the keys with the lowest
numbers, of which the driver takes those below the fraction. The sample is the
same, to the record. Must not know jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from minispark.kernels.ordering import SORT_SAMPLE_SEED, sort_sample_fraction
from minispark.kernels.sampling import generator_for

_BATCH = 1024
_key_of = itemgetter(0)
#: A partition may have so many times the records of an average one and still
#: keep enough keys.
_SLACK = 4


class Sampled(NamedTuple):
    """What one partition gives."""

    size: int
    #: Every key whose number is below this is among `keys`.
    bound: float
    numbers: list[float]
    keys: list[Any]


def count_and_sample(
    num_partitions: int, num_inputs: int, index: int, records: Iterator[Any]
) -> Sampled:
    """Counts the pairs of one of `num_inputs` partitions and samples their keys."""
    draw = generator_for(SORT_SAMPLE_SEED, index).random
    count, bound, pruned_at = 0, 1.0, _BATCH
    kept: list[tuple[float, Any]] = []
    # Keys alone: the records of a batch may be large.
    while batch := list(map(_key_of, islice(records, _BATCH))):
        numbers = [draw() for _ in batch]
        if bound == 1.0 or min(numbers) < bound:
            for number, key in zip(numbers, batch, strict=True):
                if number < bound:
                    kept.append((number, key))
        count += len(batch)
        # As if all partitions had at least a fourth of what this one has so far.
        bound = sort_sample_fraction(num_partitions, count * num_inputs / _SLACK)
        if len(kept) >= pruned_at:
            kept = [pair for pair in kept if pair[0] < bound]
            pruned_at = 2 * len(kept) + _BATCH
    kept = [pair for pair in kept if pair[0] < bound]
    return Sampled(count, bound, [number for number, _ in kept], [key for _, key in kept])


def joined_sample(num_partitions: int, parts: Sequence[Sampled]) -> list[Any] | None:
    """PySpark's sample of all keys; None where a partition kept too few of them."""
    fraction = sort_sample_fraction(num_partitions, sum(part.size for part in parts))
    # A partition without records keeps everything it has.
    if any(part.size and part.bound < fraction for part in parts):
        return None
    return [
        key
        for part in parts
        for number, key in zip(part.numbers, part.keys, strict=True)
        if number < fraction
    ]
