"""Promise 18: more data than memory gives the same answer within the budget.

Each program runs with room for everything and with an execution budget of a
fraction of its data, a tenth for the one with a large key; a digest of every
partition, in order, must be the same. Meanwhile the private memory of the
executors is sampled from outside.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from minispark import StorageLevel
from tests.chaos.run_log import executor_pids

pytestmark = pytest.mark.own_context

MB = 1 << 20
#: 0.6 of it is the budget of an executor's one task: 2.4 MB.
EXECUTOR_MEMORY = "4m"
BUDGET = int(4 * MB * 0.6)
#: What an executor may use beyond its idle self and its budget: frames being
#: pickled, results on their way, and what the allocator does not give back. With
#: larger budgets it grows to about nine tenths of the budget.
SLACK = 16 * MB
#: From 5 MB for each task to 40 MB for the one with the large key.
RECORDS = 150_000
PARTITIONS = 4


def pairs(sc: Any, num_keys: int, records: int = RECORDS) -> Any:
    """Pairs of a scattered key and a value of some 80 bytes; nothing is kept in the driver."""

    def pair(i: int) -> tuple[int, str]:
        return i * 7919 % num_keys, f"value-{i:018d}"

    return sc.range(records, numSlices=PARTITIONS).map(pair)


def skewed(sc: Any) -> Any:
    """One key has nine tenths of the records."""
    return sc.range(3 * RECORDS, numSlices=PARTITIONS).map(
        lambda i: (0 if i % 10 else i, f"value-{i:018d}")
    )


def digests(rdd: Any) -> list[tuple[int, str]]:
    """How many records each partition has, and a digest of them in their order."""

    def feed(state: Any, value: Any) -> None:
        # Piece by piece: a group as one string would be the data once more.
        if isinstance(value, str | int):
            state.update(f"{value!r},".encode())
            return
        state.update(b"[")
        for member in value:
            feed(state, member)
        state.update(b"]")

    def digest(records: Iterable[Any]) -> Iterator[tuple[int, str]]:
        count, state = 0, hashlib.blake2b(digest_size=16)
        for record in records:
            feed(state, record)
            count += 1
        yield count, state.hexdigest()

    return list(rdd.mapPartitions(digest).collect())


def cached(level: StorageLevel) -> Callable[[Any], Any]:
    def program(sc: Any) -> Any:
        kept = pairs(sc, 1000).persist(level)
        first, second = digests(kept), digests(kept)
        assert first == second
        kept.unpersist(blocking=True)
        return first

    return program


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "groupByKey, one large key": lambda sc: digests(skewed(sc).groupByKey(3)),
    "groupByKey": lambda sc: digests(pairs(sc, 20_000).groupByKey(3)),
    "reduceByKey, many keys": lambda sc: digests(pairs(sc, RECORDS).reduceByKey(add, 3)),
    "sortByKey": lambda sc: digests(pairs(sc, RECORDS // 3).sortByKey(numPartitions=3)),
    "sortByKey, descending": lambda sc: digests(pairs(sc, 1000).sortByKey(False, 3)),
    "join": lambda sc: digests(
        pairs(sc, RECORDS // 2, RECORDS // 2).join(pairs(sc, RECORDS // 3, RECORDS // 2), 3)
    ),
    "cogroup": lambda sc: digests(
        pairs(sc, 5000, RECORDS // 2).cogroup(pairs(sc, 7000, RECORDS // 2), 3)
    ),
    "cogroup, one large key": lambda sc: digests(skewed(sc).cogroup(pairs(sc, 50, 1000), 3)),
    "distinct": lambda sc: digests(pairs(sc, 99_991).values().distinct(3)),
    "cartesian": lambda sc: digests(
        sc.range(4, numSlices=2).cartesian(pairs(sc, 1000, RECORDS // 4).coalesce(1))
    ),
    "repartition": lambda sc: digests(pairs(sc, 1000).repartition(3)),
    "MEMORY_AND_DISK": cached(StorageLevel.MEMORY_AND_DISK),
    "MEMORY_ONLY": cached(StorageLevel.MEMORY_ONLY),
}


class Watch:
    """Samples the memory of processes, by default what is private: resident and not shared."""

    def __init__(self, pids: Iterable[int], look: Callable[[int], int] | None = None) -> None:
        self._pids = list(pids)
        self._look = look or private_bytes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        #: The most that was seen of each process.
        self.peaks = dict.fromkeys(self._pids, 0)

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            self.sample()

    def sample(self) -> None:
        """Looks at all processes now."""
        for pid in self._pids:
            self.peaks[pid] = max(self.peaks[pid], self._look(pid))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.sample()
        self._ended.set()
        self._thread.join()


def private_bytes(pid: int) -> int:
    """Resident memory of a process that is nobody else's, also of files that only it maps."""
    words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    kinds = ("Private_Clean:", "Private_Dirty:")
    return sum(int(words[words.index(kind) + 1]) for kind in kinds) << 10


def files_below(sc: Any, folder: str) -> list[str]:
    path = sc._engine.files.path(folder)
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


class Unlimited(NamedTuple):
    """What the programs give when nothing has to be spilled, and what that takes."""

    results: dict[str, Any]
    #: The most an executor used beyond its idle self.
    taken: int


@pytest.fixture(scope="module")
def unlimited(open_context: Callable[..., Any]) -> Unlimited:
    """The programs in executors with room for everything."""
    context = open_context("local-process[2]", spark_executor_memory="2g")
    try:
        idle = idle_bytes(context)
        with Watch(executor_pids(context)) as watch:
            results = {name: program(context) for name, program in PROGRAMS.items()}
        return Unlimited(results, max(watch.peaks.values()) - idle)
    finally:
        context.stop()


@pytest.fixture(scope="module")
def small(
    request: pytest.FixtureRequest, open_context: Callable[..., Any], unlimited: Unlimited
) -> Iterator[Any]:
    """A context whose executors have a tenth of what the data needs."""
    context = open_context(request.param, spark_executor_memory=EXECUTOR_MEMORY)
    executor_pids(context)
    yield context
    context.stop()


def idle_bytes(sc: Any) -> int:
    """Private memory of an executor that has loaded everything and holds nothing."""
    assert sc.parallelize(range(8), 4).map(lambda x: (x, x)).groupByKey().count() == 8
    return max(map(private_bytes, executor_pids(sc)))


@pytest.fixture(scope="module")
def idle(small: Any) -> int:
    """What an executor of the small context uses before the first program."""
    return idle_bytes(small)


CASES = [("local-process[2]", name) for name in PROGRAMS] + [
    pytest.param("local[2]", name, marks=pytest.mark.ray)
    for name in ("groupByKey, one large key", "join")
]


@pytest.mark.parametrize(("small", "name"), CASES, indirect=["small"], scope="module")
def test_more_data_than_memory(small: Any, idle: int, unlimited: Unlimited, name: str) -> None:
    with Watch(executor_pids(small)) as watch:
        assert PROGRAMS[name](small) == unlimited.results[name]
    taken = max(watch.peaks.values()) - idle
    print(f"idle {idle / MB:.1f} MB, more {taken / MB:.1f}, unlimited {unlimited.taken / MB:.1f}")
    assert files_below(small, "spill") == []
    assert taken < BUDGET + SLACK
    assert unlimited.taken > BUDGET + SLACK, "the data is too small: the test shows nothing"


@pytest.mark.parametrize("small", ["local-process[2]"], indirect=True, scope="module")
def test_a_record_larger_than_the_budget(small: Any) -> None:
    sizes = [100, 3 * BUDGET, 50, 2 * BUDGET]
    big = small.parallelize(sizes, 4).map(lambda n: (n % 7, bytes(n)))
    ordered = sorted((n % 7, n) for n in sizes)
    assert big.sortByKey().mapValues(len).collect() == sorted(
        ordered, key=lambda kv: (kv[0], sizes.index(kv[1]))
    )
    grouped = big.groupByKey(1).mapValues(lambda vs: sorted(map(len, vs))).collect()
    assert sorted((k, n) for k, group in grouped for n in group) == ordered
    for level in (StorageLevel.MEMORY_ONLY, StorageLevel.MEMORY_AND_DISK):
        kept = big.mapValues(bytes).persist(level)
        assert [kept.values().map(len).collect() for _ in range(2)] == [sizes, sizes]
        kept.unpersist(blocking=True)
