"""Types a user sees; checked by a type checker, never run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from typing_extensions import assert_type

from minispark import (
    RDD,
    Accumulator,
    Broadcast,
    RDDBarrier,
    SparkContext,
    StatusTracker,
    StorageLevel,
    TaskContext,
)
from minispark.kernels.resultiterable import ResultIterable
from minispark.kernels.statcounter import StatCounter
from minispark.plan.partitioner import Partitioner


def sources(sc: SparkContext) -> None:
    assert_type(sc.parallelize([1, 2]), RDD[int])
    assert_type(sc.range(3), RDD[int])
    assert_type(sc.textFile("path"), RDD[str])
    assert_type(sc.wholeTextFiles("path"), RDD[tuple[str, str]])
    assert_type(sc.broadcast({"a": 1}), Broadcast[dict[str, int]])
    assert_type(sc.accumulator(0), Accumulator[int])


def narrow(numbers: RDD[int], words: RDD[str]) -> None:
    assert_type(numbers.map(str), RDD[str])
    assert_type(numbers.filter(lambda x: x > 0), RDD[int])
    assert_type(words.flatMap(str.split), RDD[str])
    assert_type(numbers.glom(), RDD[list[int]])
    assert_type(words.keyBy(len), RDD[tuple[int, str]])
    assert_type(numbers.zip(words), RDD[tuple[int, str]])
    assert_type(numbers.zipWithIndex(), RDD[tuple[int, int]])
    assert_type(numbers.cartesian(words), RDD[tuple[int, str]])
    assert_type(numbers.cache(), RDD[int])
    assert_type(numbers.persist(StorageLevel.DISK_ONLY), RDD[int])
    assert_type(numbers.union(words), RDD[int | str])
    assert_type(numbers.randomSplit([1, 2]), list[RDD[int]])


def pairs(counts: RDD[tuple[str, int]], owners: RDD[tuple[str, bytes]]) -> None:
    assert_type(counts.keys(), RDD[str])
    assert_type(counts.values(), RDD[int])
    assert_type(counts.mapValues(float), RDD[tuple[str, float]])
    assert_type(counts.reduceByKey(lambda a, b: a + b), RDD[tuple[str, int]])
    assert_type(counts.join(owners), RDD[tuple[str, tuple[int, bytes]]])
    assert_type(counts.leftOuterJoin(owners), RDD[tuple[str, tuple[int, bytes | None]]])
    assert_type(counts.collectAsMap(), dict[str, int])
    assert_type(counts.countByKey(), dict[str, int])
    assert_type(counts.lookup("a"), list[int])
    assert_type(counts.sortByKey(), RDD[tuple[str, int]])


def actions(numbers: RDD[int]) -> None:
    assert_type(numbers.collect(), list[int])
    assert_type(numbers.count(), int)
    assert_type(numbers.first(), int)
    assert_type(numbers.take(2), list[int])
    assert_type(numbers.reduce(lambda a, b: a + b), int)
    assert_type(numbers.max(), int)
    assert_type(numbers.isEmpty(), bool)
    assert_type(numbers.mean(), float)


def more_sources(sc: SparkContext) -> None:
    assert_type(sc.parallelize(range(3)), RDD[int])
    assert_type(sc.parallelize([("a", 1)]), RDD[tuple[str, int]])
    assert_type(sc.binaryFiles("path"), RDD[tuple[str, bytes]])
    assert_type(sc.binaryRecords("path", 4), RDD[bytes])
    assert_type(sc.union([sc.range(1), sc.range(2)]), RDD[int])
    assert_type(sc.runJob(sc.range(1), lambda part: [str(x) for x in part]), list[str])
    assert_type(SparkContext.getOrCreate(), SparkContext)
    assert_type(sc.getConf().get("key"), str | None)
    assert_type(sc.getConf().get("key", "default"), str)
    assert_type(sc.statusTracker(), StatusTracker)


def more_narrow(numbers: RDD[int], counts: RDD[tuple[str, int]]) -> None:
    assert_type(numbers.mapPartitions(lambda part: (str(x) for x in part)), RDD[str])
    assert_type(numbers.mapPartitionsWithIndex(lambda i, part: [float(i)]), RDD[float])
    assert_type(numbers.zipWithUniqueId(), RDD[tuple[int, int]])
    assert_type(counts.flatMapValues(lambda n: [str(n)]), RDD[tuple[str, str]])
    assert_type(numbers.coalesce(1), RDD[int])
    assert_type(numbers.repartition(2), RDD[int])
    assert_type(numbers.pipe("cat"), RDD[str])
    assert_type(numbers.sample(False, 0.5), RDD[int])
    assert_type(counts.sampleByKey(False, {"a": 0.5}), RDD[tuple[str, int]])
    assert_type(numbers + numbers, RDD[int])
    assert_type(numbers.setName("n"), RDD[int])
    assert_type(numbers.barrier(), RDDBarrier[int])
    assert_type(numbers.barrier().mapPartitions(lambda part: ["x"]), RDD[str])


def more_wide(numbers: RDD[int], counts: RDD[tuple[str, int]]) -> None:
    assert_type(numbers.distinct(), RDD[int])
    assert_type(numbers.intersection(numbers), RDD[int])
    assert_type(numbers.subtract(numbers), RDD[int])
    assert_type(numbers.sortBy(lambda n: -n), RDD[int])
    assert_type(numbers.groupBy(lambda n: n % 2), RDD[tuple[int, Iterable[int]]])
    assert_type(counts.groupByKey(), RDD[tuple[str, Iterable[int]]])
    assert_type(counts.partitionBy(2), RDD[tuple[str, int]])
    assert_type(counts.sortByKey(keyfunc=len), RDD[tuple[str, int]])
    assert_type(counts.repartitionAndSortWithinPartitions(2), RDD[tuple[str, int]])
    assert_type(counts.foldByKey(0, lambda a, b: a + b), RDD[tuple[str, int]])
    sums = counts.aggregateByKey(0.0, lambda acc, n: acc + n, lambda a, b: a + b)
    assert_type(sums, RDD[tuple[str, float]])


def combining(
    counts: RDD[tuple[str, int]],
    create: Callable[[int], set[int]],
    add: Callable[[set[int], int], set[int]],
    merge: Callable[[set[int], set[int]], set[int]],
) -> None:
    assert_type(counts.combineByKey(create, add, merge), RDD[tuple[str, set[int]]])


def more_joins(counts: RDD[tuple[str, int]], owners: RDD[tuple[str, bytes]]) -> None:
    assert_type(counts.rightOuterJoin(owners), RDD[tuple[str, tuple[int | None, bytes]]])
    assert_type(counts.fullOuterJoin(owners), RDD[tuple[str, tuple[int | None, bytes | None]]])
    assert_type(
        counts.cogroup(owners),
        RDD[tuple[str, tuple[ResultIterable[int], ResultIterable[bytes]]]],
    )
    assert_type(counts.subtractByKey(owners), RDD[tuple[str, int]])


def more_actions(numbers: RDD[int], words: RDD[str], counts: RDD[tuple[str, int]]) -> None:
    assert_type(numbers.fold(0, lambda a, b: a + b), int)
    assert_type(numbers.aggregate("", lambda acc, n: acc + str(n), lambda a, b: a + b), str)
    assert_type(numbers.treeReduce(lambda a, b: a + b), int)
    assert_type(numbers.takeOrdered(2), list[int])
    assert_type(words.takeOrdered(2, key=len), list[str])
    assert_type(words.top(2, key=len), list[str])
    assert_type(words.max(key=len), str)
    assert_type(numbers.takeSample(False, 2), list[int])
    assert_type(numbers.stats(), StatCounter)
    assert_type(numbers.countByValue(), dict[int, int])
    assert_type(counts.reduceByKeyLocally(lambda a, b: a + b), dict[str, int])
    assert_type(numbers.toLocalIterator(), Iterator[int])
    assert_type(numbers.foreach(print), None)
    assert_type(numbers.getStorageLevel(), StorageLevel)
    assert_type(numbers.getCheckpointFile(), str | None)
    assert_type(numbers.partitioner, Partitioner | None)
    assert_type(TaskContext.get(), TaskContext | None)
    assert_type(words.context, SparkContext)


def mistakes(numbers: RDD[int]) -> None:
    numbers.reduceByKey(lambda a, b: a)  # type: ignore[misc]
    numbers.map(len)  # type: ignore[arg-type]
    numbers.textFile("x")  # type: ignore[attr-defined]
    numbers.foldByKey(0, lambda a, b: a)  # type: ignore[misc,arg-type]
    numbers.join(numbers)  # type: ignore[misc,arg-type]
    numbers.sortByKey()  # type: ignore[misc]
    numbers.filter(5)  # type: ignore[arg-type]
    numbers.take("3")  # type: ignore[arg-type]
    numbers.persist("MEMORY_ONLY")  # type: ignore[arg-type]
    numbers.union([1])  # type: ignore[arg-type]
    numbers.reduce(lambda a, b: str(a))  # type: ignore[arg-type,return-value]
    numbers.partitioner = None  # type: ignore[misc]
