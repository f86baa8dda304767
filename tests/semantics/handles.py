"""What a handle says about itself: levels, texts, checkpoints, accumulators, broadcasts."""

from __future__ import annotations

import importlib
import re
from typing import Any

from tried import tried


def _core(sc: Any) -> Any:
    """The package that the context belongs to."""
    return importlib.import_module(type(sc).__module__.partition(".")[0])


def storage_levels(sc: Any) -> Any:
    level = _core(sc).StorageLevel
    names = [name for name in dir(level) if name.isupper()]
    shown = [(name, str(getattr(level, name)), repr(getattr(level, name))) for name in names]
    fresh = lambda: sc.parallelize([1], 1)  # noqa: E731
    cached, persisted = fresh().cache(), fresh().persist()
    twice = fresh().persist(level.DISK_ONLY)
    return [
        shown,
        str(fresh().getStorageLevel()),
        repr(fresh().getStorageLevel()),
        str(cached.getStorageLevel()),
        str(persisted.getStorageLevel()),
        str(twice.getStorageLevel()),
        twice.is_cached,
        tried(lambda: twice.persist(level.MEMORY_ONLY) is None),
        tried(lambda: twice.persist(level.DISK_ONLY) is twice),
        tried(lambda: twice.cache() is twice),
        twice.unpersist() is twice,
        twice.is_cached,
        str(twice.getStorageLevel()),
        str(twice.persist(level.MEMORY_ONLY).getStorageLevel()),
        cached.map(str).is_cached,
        tried(lambda: fresh().persist("MEMORY_ONLY")),
        level(False, True, False, False) == level.MEMORY_ONLY,
        level.MEMORY_ONLY == level.MEMORY_ONLY_2,
        str(level(True, True, False, True, 3)),
        fresh().unpersist().is_cached,
    ]


def names_and_ids(sc: Any) -> Any:
    rdd = sc.parallelize([1], 1)
    return [
        rdd.name(),
        rdd.setName("numbers").name(),
        rdd.setName("numbers") is rdd,
        rdd.map(str).name(),
        tried(lambda: rdd.setName("")) is rdd,
        rdd.id() < rdd.map(str).id(),
        rdd.context is sc,
        rdd.ctx is sc,
    ]


def lineages(sc: Any) -> Any:
    """The shapes of the texts: kinds and indentation, without names of Java classes."""

    def shape(rdd: Any) -> Any:
        lines = rdd.toDebugString().decode().splitlines()
        return [(re.match(r"[ |+\-]*", re.sub(r"\(\d+\)", "", line))[0].rstrip()) for line in lines]

    numbers = sc.parallelize([1, 2], 2)
    return [
        type(numbers.toDebugString()).__name__,
        re.findall(r"^\(\d+\)", numbers.map(str).toDebugString().decode()),
        bool(shape(numbers)),
    ]


def checkpoints(sc: Any) -> Any:
    import tempfile

    sc.setCheckpointDir(tempfile.mkdtemp())
    seen = sc.accumulator(0)

    def look(record: int) -> int:
        seen.add(1)
        return record + 1

    rdd = sc.parallelize([1, 2, 3], 2).map(look)
    asked = rdd.checkpoint()
    before = (rdd.isCheckpointed(), rdd.getCheckpointFile(), rdd.is_checkpointed, seen.value)
    counted = rdd.count()
    after = (rdd.isCheckpointed(), rdd.getCheckpointFile() is not None, seen.value)
    again = (rdd.collect(), seen.value)
    local = sc.parallelize([1, 2, 3], 2).map(look)
    local.localCheckpoint()
    lazily = (local.isLocallyCheckpointed(), local.isCheckpointed())
    return [
        asked,
        before,
        counted,
        after,
        again,
        rdd.map(str).collect(),
        lazily,
        (local.collect(), local.isLocallyCheckpointed(), local.getCheckpointFile()),
        str(local.getStorageLevel()),
        tried(lambda: local.checkpoint()),
        sc.getCheckpointDir() is not None,
    ]


def accumulators(sc: Any) -> Any:
    core = _core(sc)
    param = (
        importlib.import_module(core.__name__ + ".accumulators").AccumulatorParam
        if core.__name__ == "pyspark"
        else core.AccumulatorParam
    )

    class Vector(param):  # type: ignore[misc,valid-type]
        def zero(self, value: list[float]) -> list[float]:
            return [0.0] * len(value)

        def addInPlace(self, one: list[float], other: list[float]) -> list[float]:
            for i in range(len(one)):
                one[i] += other[i]
            return one

    rdd = sc.parallelize([1, 2, 3], 2)
    number, real, complex_ = sc.accumulator(1), sc.accumulator(0.5), sc.accumulator(1j)
    vector = sc.accumulator([1.0, 2.0], Vector())
    rdd.foreach(lambda x: number.add(x))
    rdd.foreach(lambda x: real.add(x))
    rdd.foreach(lambda x: complex_.add(x))
    rdd.foreach(lambda x: vector.add([x, x]))
    lazy = sc.accumulator(0)
    mapped = rdd.map(lambda x: lazy.add(x))
    before = lazy.value
    mapped.count()
    mapped.count()
    number += 10
    return [
        [number.value, real.value, complex_.value, vector.value],
        (before, lazy.value),
        str(number),
        re.sub(r"id=\d+", "id=N", repr(number)),
        tried(lambda: sc.accumulator("a")),
        tried(lambda: sc.accumulator([])),
        tried(lambda: sc.accumulator(None)),
        tried(lambda: sc.accumulator(True).value),
        tried(lambda: rdd.map(lambda x: number.value).collect()),
        tried(lambda: setattr(lazy, "value", 7)) or lazy.value,
        tried(lambda: rdd.foreach(lambda x: number.add("a"))),
    ]


def broadcasts(sc: Any) -> Any:
    table = sc.broadcast({"a": 1})
    rdd = sc.parallelize(["a", "b"], 2)
    found = rdd.map(lambda k: table.value.get(k)).collect()
    table.unpersist()
    again = rdd.map(lambda k: table.value.get(k)).collect()
    table.unpersist(blocking=True)
    table.destroy()
    return [
        found,
        again,
        tried(lambda: rdd.map(lambda k: table.value).collect()),
        sc.broadcast(None).value,
        tried(lambda: sc.broadcast(sc)),
        tried(lambda: sc.broadcast(rdd)),
        tried(lambda: rdd.map(lambda x: rdd.count()).collect()),
        tried(lambda: rdd.map(lambda x: sc.parallelize([x])).collect()),
    ]


def facts_of_a_context(sc: Any) -> Any:
    return [
        sc.version >= "3.0",
        tuple(map(int, sc.version.split(".")[:2])) >= (4, 0),
        sc.getLocalProperty("nothing"),
        tried(lambda: sc.setLogLevel("WARN")),
        tried(lambda: sc.setLogLevel("off")),
        tried(lambda: sc.setLogLevel("nonsense")),
        type(sc.getConf().getAll()).__name__,
        sc.getConf().get("spark.nothing"),
        sc.getConf().get("spark.nothing", "x"),
        type(sc.applicationId).__name__,
        type(sc.startTime).__name__,
        sc.getOrCreate() is sc,
        type(sc).getOrCreate() is sc,
        tried(lambda: type(sc)("local", "second")),
        sc.getJobTags(),
        tried(lambda: sc.addJobTag("a,b")),
        tried(lambda: sc.addJobTag("")),
        tried(lambda: sc.setJobGroup("g", "d")),
        sc.getLocalProperty("spark.jobGroup.id"),
        tried(lambda: sc.setLocalProperty("spark.jobGroup.id", None)),
        tried(lambda: sc.cancelJobGroup("nothing")),
        sc.statusTracker().getJobInfo(10**6),
        sc.statusTracker().getStageInfo(10**6),
        sc.statusTracker().getJobIdsForGroup("nothing"),
        tried(lambda: list(sc.statusTracker().getActiveJobsIds())),
        str(sc.sparkUser()) != "",
    ]


def arithmetic_of_rdds(sc: Any) -> Any:
    a, b = sc.parallelize([1], 1), sc.parallelize([2], 1)
    core = _core(sc)
    total = a
    total += b
    return [
        (a + b).collect(),
        total.collect(),
        sum([b], a).collect(),
        core.RDD[int] is not None,
        isinstance(a, core.RDD),
        tried(lambda: len(a)),
        tried(lambda: iter(a)),
        tried(lambda: a[0]),
        tried(lambda: a - b),
        bool(a),
        hash(a) == hash(a),
        a == a,
        a == b,
    ]


def captured_functions(sc: Any) -> Any:
    rdd = sc.parallelize([1, 2], 2)
    factor = 10
    mapped = rdd.map(lambda x: x * factor)
    factor = 20
    late = mapped.collect()
    factor = 30
    again = mapped.collect()
    parts = [rdd.map(lambda x: x + n) for n in range(3)]  # noqa: B023
    total = sc.emptyRDD()
    for k in (100, 200):
        total = total.union(rdd.map(lambda x: x + k))  # noqa: B023
    data = [1]
    lengths = rdd.map(lambda x: len(data))
    data.append(2)
    return [late, again, parts[0].union(parts[1]).collect(), total.collect(), lengths.collect()]


def broken_functions(sc: Any) -> Any:
    rdd = sc.parallelize([1, 2], 2)

    class Strange(Exception):
        def __init__(self, a: int, b: int) -> None:
            super().__init__(f"{a}{b}")

    def fails(x: int) -> Any:
        raise Strange(1, 2)

    def stops(x: int) -> Any:
        raise StopIteration

    def generator(part: Any) -> Any:
        yield 1
        raise ValueError("late")

    import threading

    lock = threading.Lock()
    return [
        tried(lambda: rdd.map(fails).collect())[:6],
        tried(lambda: rdd.map(stops).collect()),
        tried(lambda: rdd.filter(stops).collect()),
        tried(lambda: rdd.flatMap(stops).collect()),
        tried(lambda: rdd.mapPartitions(generator).collect()),
        tried(lambda: rdd.map(lambda x: 1 / 0).collect()),
        tried(lambda: rdd.map(lambda x: lock).collect()),
        tried(lambda: rdd.map(lambda x: str(lock)).collect()),
        tried(lambda: rdd.map(None).collect()),
        tried(lambda: rdd.mapPartitions(lambda part: 5).collect()),
        tried(lambda: rdd.mapPartitions(lambda part: None).collect()),
        tried(lambda: rdd.mapPartitions(lambda part: "ab").collect()),
        tried(lambda: rdd.map(lambda a, b: a).collect()),
        tried(lambda: rdd.map(lambda: 1).collect()),
        tried(lambda: rdd.filter(lambda x: "yes").collect()),
        tried(lambda: rdd.filter(lambda x: []).collect()),
    ]
