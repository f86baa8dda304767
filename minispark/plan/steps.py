"""Steps: what a narrow transformation does to the records of one partition.

A step stays data until a stage is built; then a run of element-wise steps is
compiled into one loop (`minispark.plan.fuse`). Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minispark.plan.nodes import Aggregator, Ordering


class Step:
    """Base of all steps."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Map(Step):
    """Each record `x` becomes `f(x)`."""

    f: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Filter(Step):
    """Keeps the records `x` for which `f(x)` is true."""

    f: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class FlatMap(Step):
    """Each record `x` becomes the records of `f(x)`."""

    f: Callable[[Any], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class MapValues(Step):
    """Each pair `(k, v)` becomes `(k, f(v))`."""

    f: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class FlatMapValues(Step):
    """Each pair `(k, v)` becomes `(k, x)` for each `x` of `f(v)`."""

    f: Callable[[Any], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class KeyBy(Step):
    """Each record `x` becomes `(f(x), x)`."""

    f: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Keys(Step):
    """Each pair becomes its first member."""


@dataclass(frozen=True, slots=True)
class Values(Step):
    """Each pair becomes its second member."""


@dataclass(frozen=True, slots=True)
class Partitions(Step):
    """The whole partition becomes `f(index, records)`, lazily.

    `index` is the partition's index in the RDD that the step defines.
    """

    f: Callable[[int, Iterator[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Merge(Step):
    """The partition's pairs combined by key, or sorted: a shuffle whose keys are in place.

    The only step that needs the task's memory and disk (`TaskEnv.merge`).
    """

    aggregator: Aggregator | None = None
    ordering: Ordering | None = None
