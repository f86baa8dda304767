"""Order: the first few of many, and cutting keys into ranges for a sort.

Owns the rules for ties and for range bounds, PySpark's. Must not know jobs.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from operator import ne
from typing import Any, NoReturn, TypeVar

from minispark.errors import PySparkTypeError

__all__ = [
    "RangeCut",
    "RangePlacement",
    "merge_ordered",
    "merge_top",
    "range_bounds",
    "refuse_keys",
    "sort_sample_fraction",
    "sorted_by",
    "take_ordered",
    "top",
]

T = TypeVar("T")

#: The seed of the sample from which bounds are made.
SORT_SAMPLE_SEED = 1
#: So many keys are sampled for each partition of the result.
_SAMPLES_PER_PARTITION = 20.0
#: Types whose values are in one line, given that no float is NaN.
_TOTALLY_ORDERED = {int, float, str, bytes}


def take_ordered(elements: Iterable[T], num: int, key: Callable[[T], Any] | None = None) -> list[T]:
    """The `num` smallest in ascending order; of equal ones the earlier."""
    return heapq.nsmallest(num, elements, key)  # type: ignore[arg-type]


def merge_ordered(
    a: list[T], b: list[T], num: int, key: Callable[[T], Any] | None = None
) -> list[T]:
    """The `num` smallest of two partitions' smallest."""
    return heapq.nsmallest(num, a + b, key)  # type: ignore[arg-type]


def top(elements: Iterable[T], num: int, key: Callable[[T], Any] | None = None) -> list[T]:
    """The `num` largest in descending order; of equal ones the earlier."""
    return heapq.nlargest(num, elements, key)  # type: ignore[arg-type]


def merge_top(a: list[T], b: list[T], num: int, key: Callable[[T], Any] | None = None) -> list[T]:
    """The `num` largest of two partitions' largest."""
    return heapq.nlargest(num, a + b, key)  # type: ignore[arg-type]


def sort_sample_fraction(num_partitions: int, count: float) -> float:
    """Which fraction of the keys to sample, with `SORT_SAMPLE_SEED`, for the bounds."""
    return min(num_partitions * _SAMPLES_PER_PARTITION / max(count, 1), 1.0)


def range_bounds(
    samples: Iterable[Any],
    num_partitions: int,
    keyfunc: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """The keys, as `keyfunc` gives them, between which partitions are cut.

    Without `keyfunc` these are PySpark's bounds. With one, PySpark compares
    `keyfunc(key)` with bounds it did not apply `keyfunc` to, so that its result may not
    be sorted as a whole; here both sides are what `keyfunc` gives.

    Raises
    ------
    PySparkTypeError
        Two keys do not compare.
    """
    # Not by `map`: a StopIteration of the user's would end it early.
    keys = list(samples) if keyfunc is None else [keyfunc(k) for k in samples]
    keys = sorted_by(keys, None)
    if not keys:
        return []
    n = len(keys)
    return [keys[int(n * (i + 1) / num_partitions)] for i in range(num_partitions - 1)]


class RangePlacement:
    """The partition of a key in a range-partitioned sort. Picklable."""

    __slots__ = ("ascending", "bounds", "keyfunc", "num_partitions")

    def __init__(
        self,
        bounds: Sequence[Any],
        num_partitions: int,
        ascending: bool = True,
        keyfunc: Callable[[Any], Any] | None = None,
    ) -> None:
        self.bounds: Sequence[Any] = bounds
        self.num_partitions: int = num_partitions
        self.ascending: bool = ascending
        self.keyfunc: Callable[[Any], Any] | None = keyfunc

    def __call__(self, key: Any) -> int:
        k = key if self.keyfunc is None else self.keyfunc(key)
        try:
            p = bisect_left(self.bounds, k)
        except TypeError as e:
            refuse_keys([*self.bounds, k], e)
        return p if self.ascending else self.num_partitions - 1 - p

    def many(self, keys: Iterable[Any]) -> list[int]:
        """What `__call__` gives for each key."""
        bounds = self.bounds
        keyfunc = self.keyfunc
        keys = list(keys) if keyfunc is None else [keyfunc(k) for k in keys]
        try:
            placed = [bisect_left(bounds, k) for k in keys]
        except TypeError as e:
            refuse_keys([*bounds, *keys], e)
        if self.ascending:
            return placed
        last = self.num_partitions - 1
        return [last - p for p in placed]


class RangeCut:
    """Places keys as a `RangePlacement` does, for records that a reader will sort.

    Nobody sees the order in which such records are written, so a batch may be
    sorted and cut at the bounds: that is faster than placing each key, and the
    reader's sort finds runs. Picklable.
    """

    __slots__ = ("_kind", "placement")

    def __init__(self, placement: RangePlacement) -> None:
        self.placement: RangePlacement = placement
        kinds = set(map(type, placement.bounds))
        is_total = len(kinds) == 1 and kinds <= _TOTALLY_ORDERED
        # A NaN among what was sampled leaves bounds unsorted, itself among them or
        # not: between such bounds keys would be found twice, or never.
        if is_total and not all(
            a <= b for a, b in pairwise([*placement.bounds[:1], *placement.bounds])
        ):
            is_total = False
        #: The one type of the bounds, if its order is total.
        self._kind = kinds.pop() if is_total else None

    def __reduce__(self) -> tuple[Any, ...]:
        return RangeCut, (self.placement,)

    def __call__(self, key: Any) -> int:
        return self.placement(key)

    def cut(
        self, keys: list[Any], values: list[Any]
    ) -> list[tuple[int, list[Any], list[Any]]] | None:
        """Per partition its pairs' keys and values, both in the order of the sort.

        None where sorting might place a key elsewhere than `__call__` does: keys
        of several types, NaN, objects whose order need not be total.
        """
        placement = self.placement
        bounds, keyfunc = placement.bounds, placement.keyfunc
        if self._kind is None or len(bounds) > len(keys):
            return None
        by = keys if keyfunc is None else [keyfunc(k) for k in keys]
        if set(map(type, by)) != {self._kind}:
            return None
        if self._kind is float and any(map(ne, by, by)):
            return None
        descending = not placement.ascending
        # A sort is stable either way round: equal keys keep the order they came in.
        order = sorted(range(len(by)), key=by.__getitem__, reverse=descending)
        by = [by[i] for i in order]
        keys = by if keyfunc is None else [keys[i] for i in order]
        values = [values[i] for i in order]
        if descending:
            by = by[::-1]
        size, last = len(by), len(bounds)
        ends = [0, *(bisect_right(by, bound) for bound in bounds), size]
        return [
            (last - p, keys[size - end : size - begin], values[size - end : size - begin])
            if descending
            else (p, keys[begin:end], values[begin:end])
            for p, (begin, end) in enumerate(pairwise(ends))
            if begin < end
        ]


def sorted_by(
    elements: Iterable[T], key: Callable[[T], Any] | None, reverse: bool = False
) -> list[T]:
    """`sorted`, with an error that shows two keys that do not compare."""
    elements = list(elements)
    try:
        return sorted(elements, key=key, reverse=reverse)  # type: ignore[arg-type,type-var]
    except TypeError as e:
        refuse_keys(elements if key is None else map(key, elements), e)


def refuse_keys(keys: Iterable[Any], e: TypeError) -> NoReturn:
    """Names two neighbours that do not compare; lets other errors pass."""
    before: list[Any] = []
    for k in keys:
        if before and not _compares(before[0], k):
            a, b = before[0], k
            raise PySparkTypeError(
                f"Keys cannot be sorted: {_short(a)} ({type(a).__name__}) and {_short(b)}"
                f" ({type(b).__name__}) do not compare",
                "KEYS_NOT_COMPARABLE",
                {"types": f"{type(a).__name__}, {type(b).__name__}"},
            ) from e
        before = [k]
    raise e


def _compares(a: Any, b: Any) -> bool:
    try:
        bool(a < b)
    except TypeError:
        return False
    return True


def _short(x: object) -> str:
    text = repr(x)
    return text if len(text) <= 80 else text[:77] + "..."
