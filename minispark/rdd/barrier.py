"""`RDDBarrier`: the operations of a stage whose tasks all run at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from minispark.rdd.rdd import RDD

T = TypeVar("T")
U = TypeVar("U")


class RDDBarrier(Generic[T]):
    """An RDD to be computed by tasks that start together; from `RDD.barrier`.

    When one of the tasks fails, all start again.

    Examples
    --------
    >>> sc.parallelize([1, 2], 1).barrier().mapPartitions(lambda xs: [sum(xs)]).collect()
    [3]
    """

    __module__ = "minispark"

    def __init__(self, rdd: RDD[T]) -> None:
        self.rdd = rdd

    def mapPartitions(
        self, f: Callable[[Iterable[T]], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """`RDD.mapPartitions`, in a barrier stage.

        Examples
        --------
        >>> sc.parallelize([1, 2], 1).barrier().mapPartitions(lambda xs: [max(xs)]).collect()
        [2]
        """
        return _marked(self.rdd.mapPartitions(f, preservesPartitioning))

    def mapPartitionsWithIndex(
        self, f: Callable[[int, Iterable[T]], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """`RDD.mapPartitionsWithIndex`, in a barrier stage.

        Examples
        --------
        >>> rdd = sc.parallelize([1, 2], 1)
        >>> rdd.barrier().mapPartitionsWithIndex(lambda i, xs: [(i, *xs)]).collect()
        [(0, 1, 2)]
        """
        return _marked(self.rdd.mapPartitionsWithIndex(f, preservesPartitioning))


def _marked(rdd: RDD[U]) -> RDD[U]:
    rdd._node.info.is_barrier = True
    return rdd
