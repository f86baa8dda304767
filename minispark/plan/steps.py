"""Steps: what a narrow transformation does to the records of one partition.

A step stays data until a stage is built; then a run of element-wise steps is
compiled into one loop (`minispark.plan.fuse`). Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from minispark.records import record

if TYPE_CHECKING:
    from minispark.plan.nodes import Aggregator, Ordering


class Step:
    """Base of all steps."""

    __slots__ = ()


@record
class Map(Step):
    """Each record `x` becomes `f(x)`."""

    f: Callable[[Any], Any]


@record
class Filter(Step):
    """Keeps the records `x` for which `f(x)` is true."""

    f: Callable[[Any], Any]


@record
class FlatMap(Step):
    """Each record `x` becomes the records of `f(x)`."""

    f: Callable[[Any], Iterable[Any]]


@record
class MapValues(Step):
    """Each pair `(k, v)` becomes `(k, f(v))`."""

    f: Callable[[Any], Any]


@record
class FlatMapValues(Step):
    """Each pair `(k, v)` becomes `(k, x)` for each `x` of `f(v)`."""

    f: Callable[[Any], Iterable[Any]]


@record
class KeyBy(Step):
    """Each record `x` becomes `(f(x), x)`."""

    f: Callable[[Any], Any]


@record
class Keys(Step):
    """Each pair becomes its first member."""


@record
class Values(Step):
    """Each pair becomes its second member."""


@record
class Partitions(Step):
    """The whole partition becomes `f(index, records)`, lazily.

    `index` is the partition's index in the RDD that the step defines.
    """

    f: Callable[[int, Iterator[Any]], Iterable[Any]]


@record
class Merge(Step):
    """The partition's pairs combined by key, or sorted: a shuffle whose keys are in place.

    The only step that needs the task's memory and disk (`TaskEnv.merge`).
    """

    aggregator: Aggregator | None = None
    ordering: Ordering | None = None
