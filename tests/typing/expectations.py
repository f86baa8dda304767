"""Types a user sees; checked by a type checker, never run."""

from __future__ import annotations

from typing_extensions import assert_type

from minispark import RDD, Accumulator, Broadcast, SparkContext, StorageLevel


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


def mistakes(numbers: RDD[int]) -> None:
    numbers.reduceByKey(lambda a, b: a)  # type: ignore[misc]
    numbers.map(len)  # type: ignore[arg-type]
    numbers.textFile("x")  # type: ignore[attr-defined]
