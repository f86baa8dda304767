"""What the workloads need of an RDD, over dask.bag where it has the like.

The rest raises, which the runner reports as the reason why there is no time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from operator import add
from typing import Any

import dask
import dask.bag


class BagContext:
    """A `SparkContext` over dask's scheduler of processes."""

    def __init__(self, cores: int) -> None:
        dask.config.set(scheduler="processes", num_workers=cores)

    def textFile(self, path: str, minPartitions: int) -> BagRDD:
        """The lines of the files of a directory."""
        size = sum(entry.stat().st_size for entry in os.scandir(path))
        bag = dask.bag.read_text(f"{path}/*", blocksize=size // minPartitions)
        return BagRDD(bag.map(_without_newline))

    def range(self, n: int, numSlices: int) -> BagRDD:
        """The numbers below n."""
        return BagRDD(dask.bag.range(n, npartitions=numSlices))

    def parallelize(self, items: Iterable[Any], numSlices: int) -> BagRDD:
        """Data of the driver's."""
        return BagRDD(dask.bag.from_sequence(items, npartitions=numSlices))

    def stop(self) -> None:
        """Nothing outlives a computation."""


def _without_newline(line: str) -> str:
    return line.rstrip("\n")


def _first(item: tuple[Any, Any]) -> Any:
    return item[0]


class BagRDD:
    """A bag with an RDD's names for what they have in common."""

    def __init__(self, bag: Any) -> None:
        self._bag = bag

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"dask.bag has nothing like RDD.{name}")

    def map(self, f: Callable[[Any], Any]) -> BagRDD:
        """Like `RDD.map`."""
        return BagRDD(self._bag.map(f))

    def filter(self, f: Callable[[Any], Any]) -> BagRDD:
        """Like `RDD.filter`."""
        return BagRDD(self._bag.filter(f))

    def flatMap(self, f: Callable[[Any], Any]) -> BagRDD:
        """Like `RDD.flatMap`."""
        return BagRDD(self._bag.map(f).flatten())

    def mapPartitions(self, f: Callable[[Any], Any]) -> BagRDD:
        """Like `RDD.mapPartitions`."""
        return BagRDD(self._bag.map_partitions(lambda part: list(f(part))))

    def reduceByKey(self, f: Callable[[Any, Any], Any], partitions: int = 8) -> BagRDD:
        """Through `foldby`, which needs a start value: only for sums."""
        folded = self._bag.foldby(_first, lambda acc, kv: f(acc, kv[1]), 0, f, 0)
        return BagRDD(folded)

    def groupByKey(self, partitions: int) -> BagRDD:
        """Through `groupby`, which shuffles through files."""
        grouped = self._bag.groupby(_first, npartitions=partitions)
        return BagRDD(grouped.map(lambda kvs: (kvs[0], [v for _, v in kvs[1]])))

    def mapValues(self, f: Callable[[Any], Any]) -> BagRDD:
        """Like `RDD.mapValues`."""
        return BagRDD(self._bag.map(lambda kv: (kv[0], f(kv[1]))))

    def distinct(self, partitions: int) -> BagRDD:
        """Like `RDD.distinct`."""
        return BagRDD(self._bag.distinct())

    def collect(self) -> Any:
        """Like `RDD.collect`."""
        return list(self._bag.compute())

    def count(self) -> Any:
        """Like `RDD.count`."""
        return self._bag.count().compute()

    def sum(self) -> Any:
        """Like `RDD.sum`."""
        return self._bag.fold(add, initial=0).compute()

    def max(self) -> Any:
        """Like `RDD.max`."""
        return self._bag.max().compute()

    def top(self, n: int, key: Callable[[Any], Any]) -> Any:
        """Like `RDD.top`."""
        return self._bag.topk(n, key).compute()
