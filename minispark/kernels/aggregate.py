"""Combining and reducing: per key, per partition, and what partitions gave.

Plain functions and small classes, pickled by reference. Those of the form
`f(..., index, records)` are what a task computes of one partition.
"""

from __future__ import annotations

import copy
import functools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from minispark.kernels.drain import Drainable

if TYPE_CHECKING:
    from minispark.kernels.statcounter import StatCounter

# -- per key ---------------------------------------------------------------------


def one_value(value: Any) -> list[Any]:
    """A group of one value."""
    return [value]


def append_value(group: list[Any], value: Any) -> list[Any]:
    """A group with one more value."""
    group.append(value)
    return group


def extend_group(group: list[Any], other: list[Any]) -> list[Any]:
    """Two groups of a key as one."""
    group.extend(other)
    return group


class FromZero:
    """Makes a key's first combiner of its own copy of a zero value."""

    __slots__ = ("f", "zero")

    def __init__(self, zero: Any, f: Callable[[Any, Any], Any]) -> None:
        self.zero: Any = zero
        self.f: Callable[[Any, Any], Any] = f

    def __call__(self, value: Any) -> Any:
        return self.f(copy.deepcopy(self.zero), value)

    def __reduce__(self) -> tuple[Any, ...]:
        return FromZero, (self.zero, self.f)


# -- per partition -----------------------------------------------------------------


def to_list(_index: int, records: Iterator[Any]) -> list[Any]:
    """All records."""
    return records.listed() if isinstance(records, Drainable) else list(records)


def first_records(num: int, _index: int, records: Iterator[Any]) -> list[Any]:
    """The first `num` records, at most; computes no others."""
    return list(islice(records, num))


def count_records(_index: int, records: Iterator[Any]) -> int:
    """The number of records."""
    if isinstance(records, Drainable):
        return records.counted()
    numbers = count()
    deque(zip(records, numbers), maxlen=0)  # drains at the speed of C
    return next(numbers)


def sum_records(_index: int, records: Iterator[Any]) -> Any:
    """The sum of the records, from 0."""
    return sum(records)


def stats(_index: int, records: Iterator[Any]) -> StatCounter:
    """Statistics of the records."""
    from minispark.kernels import native  # for few programs (ADR 0032)
    from minispark.kernels.statcounter import PIECE, StatCounter, of_pieces

    if native.NATIVE is not None and isinstance(records, Drainable):
        return of_pieces(records.pieces(PIECE))
    return StatCounter(iter(records))


def float_stats(_index: int, records: Iterator[Any]) -> StatCounter:
    """Statistics of the records as floats."""
    # Not by `map`: a StopIteration of a record's `__float__` would end it early.
    from minispark.kernels.statcounter import StatCounter  # for few programs (ADR 0032)

    return StatCounter(float(x) for x in records)


def reduced(f: Callable[[Any, Any], Any], _index: int, records: Iterator[Any]) -> list[Any]:
    """The records reduced to one, or none where there are none."""
    if isinstance(records, Drainable):
        return records.reduced(f)
    for first in records:
        return [functools.reduce(f, records, first)]
    return []


def reduced_into_list(f: Callable[[Any, Any], Any], acc: list[Any], record: Any) -> list[Any]:
    """A list of at most one record, with one more reduced into it."""
    return [f(acc[0], record)] if acc else [record]


def reduced_lists(f: Callable[[Any, Any], Any], a: list[Any], b: list[Any]) -> list[Any]:
    """Two lists of at most one record as one such list."""
    return [f(a[0], b[0])] if a and b else a or b


def folded(zero: Any, f: Callable[[Any, Any], Any], _index: int, records: Iterator[Any]) -> Any:
    """The records folded into `zero`, which is the task's own copy."""
    return functools.reduce(f, records, zero)


def folded_partition(
    zero: Any, f: Callable[[Any, Any], Any], _index: int, records: Iterator[Any]
) -> Iterator[Any]:
    """As `folded`, as a partition of one record."""
    yield functools.reduce(f, records, zero)


def keyed_modulo(partitions: int, index: int, records: Iterator[Any]) -> Iterator[Any]:
    """Each record with the partition that combines it, in `treeAggregate`."""
    for record in records:
        yield index % partitions, record


def reduced_by_key(
    f: Callable[[Any, Any], Any], _index: int, pairs: Iterator[tuple[Any, Any]]
) -> dict[Any, Any]:
    """The values of each key reduced to one."""
    return merge_dict(f, {}, pairs)


def merge_dict(
    f: Callable[[Any, Any], Any], into: dict[Any, Any], pairs: Iterable[tuple[Any, Any]]
) -> dict[Any, Any]:
    """Merges pairs into a dict, values of one key by `f`."""
    for key, value in pairs:
        into[key] = f(into[key], value) if key in into else value
    return into


def counted(_index: int, records: Iterator[Any]) -> dict[Any, int]:
    """How often each record occurs."""
    if isinstance(records, Drainable):
        return records.tallied()
    return dict(Counter(records))


def each(f: Callable[[Any], Any], _index: int, records: Iterator[Any]) -> None:
    """Calls `f` with each record, for its effect."""
    if isinstance(records, Drainable):
        records.each(f)
        return
    for record in records:
        f(record)


def each_partition(f: Callable[[Iterator[Any]], Any], _index: int, records: Iterator[Any]) -> None:
    """Calls `f` with the records; runs a generator function to its end."""
    result = f(iter(records))
    if isinstance(result, Iterator):
        for _ in result:
            pass


def applied(f: Callable[[Iterator[Any]], Any], _index: int, records: Iterator[Any]) -> Any:
    """What `f` makes of the records."""
    return f(iter(records))


def keyed_by(key: Callable[[Any], Any], choose: Callable[..., Any], a: Any, b: Any) -> Any:
    """The one of two records that `choose` (min or max) takes by key."""
    return choose(a, b, key=key)
