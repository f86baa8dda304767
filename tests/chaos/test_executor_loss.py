"""Promises 1 to 5: losing executors changes no result and costs only what was lost."""

from __future__ import annotations

import os
import signal
from operator import add
from typing import Any

import pytest

from minispark import StorageLevel
from tests.chaos.run_log import RunLog, executor_pids

pytestmark = pytest.mark.own_context


def test_killed_on_the_map_side(breakable: Any, log: RunLog) -> None:
    def f(x: int) -> tuple[int, int]:
        if x == 55:
            log.die_once("map")
        return x % 10, x

    rdd = breakable.parallelize(range(100), 8).map(f).reduceByKey(add, 4)
    assert sorted(rdd.collect()) == [(k, sum(range(k, 100, 10))) for k in range(10)]
    assert not log.first_time("map"), "nobody was killed: the test shows nothing"


def test_killed_on_the_reduce_side(breakable: Any, log: RunLog) -> None:
    def f(kv: tuple[int, int]) -> tuple[int, int]:
        if kv[0] == 3:
            log.die_once("reduce")
        return kv

    rdd = breakable.parallelize([(i % 10, i) for i in range(100)], 4).reduceByKey(add, 4).map(f)
    assert sorted(rdd.collect()) == [(k, sum(range(k, 100, 10))) for k in range(10)]
    assert not log.first_time("reduce")


def test_killed_while_sorting(breakable: Any, log: RunLog) -> None:
    def key(x: int) -> int:
        if x == 500 and log.first_time("sampled-1") is False:
            log.die_once("sort")
        return -x

    rdd = breakable.parallelize(range(1000), 6).sortBy(key, numPartitions=4)
    assert rdd.collect() == list(range(999, -1, -1))
    assert not log.first_time("sort"), "nobody was killed: the test shows nothing"


def test_killed_while_idle(breakable: Any) -> None:
    rdd = breakable.parallelize(range(20), 4).map(lambda x: x + 1)
    assert rdd.sum() == 210
    os.kill(min(executor_pids(breakable)), signal.SIGKILL)
    assert rdd.sum() == 210


def test_all_killed_at_once(breakable: Any, log: RunLog) -> None:
    pids = executor_pids(breakable)

    def f(x: int) -> int:
        if x == 10 and log.first_time("all"):
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        return x

    assert breakable.parallelize(range(40), 8).map(f).sum() == sum(range(40))
    assert not log.first_time("all")


def test_killed_every_turn_of_an_iterative_job(breakable: Any, log: RunLog) -> None:
    links = {n: [(n * 7 + i) % 30 for i in range(1, 4)] for n in range(30)}
    expected = dict.fromkeys(links, 1.0)
    for _ in range(6):
        new = dict.fromkeys(links, 0.0)
        for page, targets in links.items():
            for target in targets:
                new[target] += expected[page] / len(targets)
        expected = {page: 0.15 + 0.85 * rank for page, rank in new.items() if rank}

    graph = breakable.parallelize(list(links.items()), 4).partitionBy(4).cache()
    ranks = graph.mapValues(lambda _: 1.0)
    for turn in range(6):

        def spread(pair: Any, turn: int = turn) -> Any:
            targets, rank = pair[1]
            if turn % 2 == 0 and 5 in targets:
                log.die_once(f"turn-{turn}")
            return [(target, rank / len(targets)) for target in targets]

        ranks = graph.join(ranks, 4).flatMap(spread).reduceByKey(add, 4)
        ranks = ranks.mapValues(lambda r: 0.15 + 0.85 * r)
    result = dict(ranks.collect())
    assert result.keys() == expected.keys()
    assert all(abs(result[k] - expected[k]) < 1e-9 for k in expected)
    assert not log.first_time("turn-4")


def test_map_outputs_survive_their_executor(breakable: Any, log: RunLog) -> None:
    def f(index: int, records: Any) -> Any:
        log.note(f"map-{index}")
        return ((x % 3, x) for x in records)

    reduced = breakable.parallelize(range(12), 4).mapPartitionsWithIndex(f).reduceByKey(add, 3)
    expected = [(0, 18), (1, 22), (2, 26)]
    assert sorted(reduced.collect()) == expected
    assert log.counts() == {f"map-{i}": 1 for i in range(4)}
    for pid in executor_pids(breakable):
        os.kill(pid, signal.SIGKILL)
    # Promise 3 too: the second job finds all map outputs and runs no map task.
    assert sorted(reduced.collect()) == expected
    assert log.counts() == {f"map-{i}": 1 for i in range(4)}


@pytest.mark.parametrize("damage", ["delete", "truncate", "flip", "wipe"])
def test_damaged_map_outputs_are_computed_again(breakable: Any, log: RunLog, damage: str) -> None:
    def f(index: int, records: Any) -> Any:
        log.note(f"map-{index}")
        return ((x % 3, x) for x in records)

    reduced = breakable.parallelize(range(12), 4).mapPartitionsWithIndex(f).reduceByKey(add, 3)
    expected = [(0, 18), (1, 22), (2, 26)]
    assert sorted(reduced.collect()) == expected
    before = breakable._engine.files.path("shuffle")
    newest = max(int(name[1:].split("_")[0]) for name in os.listdir(before))
    victims = sorted(n for n in os.listdir(before) if n.startswith(f"s{newest}_"))
    assert len(victims) == 4
    for name in victims if damage == "wipe" else victims[1:2]:
        path = os.path.join(before, name)
        if damage in ("delete", "wipe"):
            os.unlink(path)
        elif damage == "truncate":
            with open(path, "r+b") as file:
                file.truncate(os.path.getsize(path) // 2)
        else:
            with open(path, "r+b") as file:
                first = file.read(20)
                file.seek(0)
                file.write(bytes(b ^ 0x55 for b in first))
    assert sorted(reduced.collect()) == expected
    again = 2 if damage == "wipe" else 1
    assert log.counts() == {
        "map-0": again,
        "map-1": 2,
        "map-2": again,
        "map-3": again,
    }


def test_only_lost_cached_partitions_are_computed_again(breakable: Any, log: RunLog) -> None:
    def f(index: int, records: Any) -> list[int]:
        log.note(f"part-{index}")
        return [x * 2 for x in records]

    cached = breakable.parallelize(range(40), 8).mapPartitionsWithIndex(f).cache()
    assert cached.sum() == 1560
    assert cached.sum() == 1560
    assert log.counts() == {f"part-{i}": 1 for i in range(8)}
    pids = log.pids()
    victim = pids["part-0"]
    lost = {name for name, pid in pids.items() if pid == victim}
    os.kill(victim, signal.SIGKILL)
    assert cached.sum() == 1560
    counts = log.counts()
    assert {name for name, n in counts.items() if n == 2} == lost
    assert cached.sum() == 1560
    assert log.counts() == counts, "what was lost must be cached again"
    cached.unpersist()


def test_lost_cached_partition_behind_a_shuffle(breakable: Any, log: RunLog) -> None:
    def f(index: int, records: Any) -> Any:
        log.note(f"map-{index}")
        return ((x % 4, x) for x in records)

    def g(index: int, records: Any) -> Any:
        log.note(f"reduce-{index}")
        return records

    cached = (
        breakable.parallelize(range(16), 4)
        .mapPartitionsWithIndex(f)
        .groupByKey(4)
        .mapPartitionsWithIndex(g)
        .mapValues(sorted)
        .cache()
    )
    expected = [(k, list(range(k, 16, 4))) for k in range(4)]
    assert sorted(cached.collect()) == expected
    pids = log.pids()
    victim = pids["reduce-0"]
    lost = {n for n, pid in pids.items() if n.startswith("reduce") and pid == victim}
    os.kill(victim, signal.SIGKILL)
    assert sorted(cached.collect()) == expected
    counts = log.counts()
    assert all(counts[f"map-{i}"] == 1 for i in range(4))
    assert {n for n in counts if n.startswith("reduce") and counts[n] == 2} == lost
    cached.unpersist()


def test_disk_blocks_survive_their_executor(breakable: Any, log: RunLog) -> None:
    def f(index: int, records: Any) -> list[int]:
        log.note(f"part-{index}")
        return list(records)

    kept = breakable.parallelize(range(40), 4).mapPartitionsWithIndex(f)
    kept.persist(StorageLevel.DISK_ONLY)
    assert kept.count() == 40
    for pid in executor_pids(breakable):
        os.kill(pid, signal.SIGKILL)
    assert kept.count() == 40
    assert log.counts() == {f"part-{i}": 1 for i in range(4)}
    kept.unpersist()


def test_a_partition_is_cached_whole_or_not_at_all(breakable: Any, log: RunLog) -> None:
    def f(index: int, records: Any) -> Any:
        for x in records:
            if x == 7:
                log.die_once("caching")
            yield x

    cached = breakable.parallelize(range(20), 2).mapPartitionsWithIndex(f).cache()
    assert cached.first() == 0
    assert cached.take(3) == [0, 1, 2]
    assert cached.collect() == list(range(20))
    assert cached.collect() == list(range(20))
    assert not log.first_time("caching")
    cached.unpersist()
