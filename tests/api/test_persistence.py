"""cache, persist, unpersist, checkpoint, storage levels and toDebugString."""

from __future__ import annotations

from operator import add

import pytest


@pytest.fixture
def counted(sc):
    """An RDD of 0..9 in 3 partitions, and how many records were computed."""
    ran = sc.accumulator(0)

    def count(x):
        ran.add(1)
        return x

    return sc.parallelize(range(10), 3).map(count), ran


LEVELS = [
    "MEMORY_ONLY",
    "MEMORY_AND_DISK",
    "DISK_ONLY",
    "MEMORY_AND_DISK_2",
    "MEMORY_AND_DISK_DESER",
]


@pytest.mark.parametrize("level", LEVELS)
def test_a_persisted_rdd_is_computed_once(engine, counted, level):
    rdd, ran = counted
    rdd.persist(getattr(engine.StorageLevel, level))
    assert rdd.collect() == list(range(10))
    assert rdd.map(str).collect() == [str(n) for n in range(10)]
    assert rdd.sum() == 45
    assert ran.value == 10
    rdd.unpersist(blocking=True)
    assert rdd.count() == 10
    assert ran.value == 20


def test_without_persist_everything_runs_again(counted):
    rdd, ran = counted
    assert rdd.count() == rdd.count() == 10
    assert ran.value == 20


def test_cache_is_memory_only_and_returns_the_rdd(engine, sc):
    rdd = sc.parallelize([1], 1)
    assert rdd.getStorageLevel() == engine.StorageLevel.NONE
    assert not rdd.is_cached
    assert rdd.cache() is rdd
    assert rdd.is_cached
    assert rdd.getStorageLevel() == engine.StorageLevel.MEMORY_ONLY
    assert rdd.unpersist() is rdd
    assert not rdd.is_cached


def test_a_level_cannot_be_changed_while_persisted(engine, sc, still_usable):
    rdd = sc.parallelize([1], 1).cache()
    rdd.cache()
    with pytest.raises(Exception, match=r"(?i)cannot.change.storage.level"):
        rdd.persist(engine.StorageLevel.DISK_ONLY)
    rdd.unpersist()
    rdd.persist(engine.StorageLevel.DISK_ONLY)
    assert rdd.getStorageLevel().useDisk


def test_take_caches_only_whole_partitions(counted):
    rdd, ran = counted
    rdd.cache()
    assert rdd.take(1) == [0]
    assert rdd.collect() == list(range(10))
    assert rdd.collect() == list(range(10))
    assert ran.value in (10, 11)


def test_caching_between_steps(counted):
    rdd, ran = counted
    middle = rdd.map(lambda x: x * 2).cache()
    assert middle.filter(lambda x: x > 10).count() == 4
    assert middle.map(lambda x: (x % 4, x)).reduceByKey(add).collectAsMap() == {0: 40, 2: 50}
    assert ran.value == 10


def test_caching_of_a_shuffled_rdd(counted):
    rdd, ran = counted
    grouped = rdd.keyBy(lambda x: x % 2).groupByKey().mapValues(list).cache()
    expected = {0: [0, 2, 4, 6, 8], 1: [1, 3, 5, 7, 9]}
    assert grouped.collectAsMap() == grouped.collectAsMap() == expected
    assert ran.value == 10


def test_cached_records_are_not_changed_by_later_steps(sc):
    rdd = sc.parallelize([[1], [2]], 1).map(lambda x: x).cache()
    assert rdd.count() == 2

    def grow(x):
        x.append(0)
        return x

    assert rdd.map(grow).collect() == [[1, 0], [2, 0]]
    assert rdd.map(grow).collect() == [[1, 0], [2, 0]]
    assert rdd.collect() == [[1], [2]]


def test_cache_of_empty_partitions_and_odd_records(sc):
    data = [None, "é", (1, None), 10**40]
    rdd = sc.parallelize(data, 7).cache()
    assert rdd.collect() == rdd.collect() == data


def test_cached_union_and_join(counted, sc):
    rdd, ran = counted
    pairs = rdd.keyBy(lambda x: x).cache()
    assert pairs.count() == 10
    assert pairs.join(pairs).count() == 10
    assert pairs.union(pairs).count() == 20
    assert ran.value == 10


def test_checkpoint_cuts_the_lineage_at_the_action(sc, counted, tmp_path):
    rdd, ran = counted
    sc.setCheckpointDir(str(tmp_path))
    rdd.checkpoint()
    assert not rdd.isCheckpointed()
    assert rdd.getCheckpointFile() is None
    assert rdd.count() == 10
    assert rdd.isCheckpointed()
    assert str(tmp_path) in rdd.getCheckpointFile()
    before = ran.value
    assert rdd.collect() == list(range(10))
    assert rdd.map(str).count() == 10
    assert ran.value == before


def test_checkpoint_of_a_shuffled_rdd(sc, tmp_path):
    sc.setCheckpointDir(str(tmp_path))
    rdd = sc.parallelize([(1, 1), (2, 2), (1, 3)], 2).reduceByKey(add)
    rdd.checkpoint()
    before = rdd.glom().collect()
    assert rdd.glom().collect() == before
    assert sorted(rdd.reduceByKey(add).collect()) == [(1, 4), (2, 2)]


@pytest.mark.minispark_only  # PySpark fuses later steps past it and computes again
def test_local_checkpoint(counted):
    rdd, ran = counted
    rdd.localCheckpoint()
    assert rdd.count() == 10
    assert rdd.isLocallyCheckpointed()
    before = ran.value
    assert rdd.collect() == list(range(10))
    assert rdd.map(str).count() == 10
    assert ran.value == before


def test_the_name_and_level_are_in_the_debug_string(engine, sc):
    rdd = sc.parallelize([1, 2], 2).setName("my data").persist(engine.StorageLevel.MEMORY_ONLY)
    text = rdd.toDebugString().decode()
    assert text.startswith("(2) my data")
    assert "Memory Serialized 1x Replicated" in text


def test_the_debug_string_shows_the_shuffles(sc):
    rdd = sc.parallelize([(1, 1)], 2).reduceByKey(add, 3)
    lines = rdd.toDebugString().decode().splitlines()
    assert lines[0].startswith("(3) ")
    assert any("+-(2)" in line for line in lines)


def test_debug_string_computes_nothing(sc):
    def explode(x):
        raise AssertionError

    assert isinstance(sc.parallelize([1], 1).map(explode).toDebugString(), bytes)


def test_storage_level_constants(engine):
    level = engine.StorageLevel
    assert str(level.DISK_ONLY) == "Disk Serialized 1x Replicated"
    assert str(level.MEMORY_AND_DISK_2) == "Disk Memory Serialized 2x Replicated"
    assert repr(level.MEMORY_ONLY) == "StorageLevel(False, True, False, False, 1)"
