"""Promises 2, 3, 4 and 28: what a loss costs, counted run by run.

Each task notes (stage, partition, attempt, executor) in a file that outlives
executors; the tests say exactly which of those runs there may have been.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from operator import add
from typing import Any

import pytest

from minispark import StorageLevel
from tests.chaos.run_log import Run, RunLog, executor_pids

pytestmark = pytest.mark.own_context

MAPS = 6
REDUCERS = 4
EXPECTED = [(k, sum(range(k, 60, REDUCERS))) for k in range(REDUCERS)]


def shuffled(sc: Any, log: RunLog) -> Any:
    """Sums by key; each map task notes its runs."""

    def note(index: int, records: Any) -> Any:
        log.ran("map", index)
        return ((x % REDUCERS, x) for x in records)

    return sc.parallelize(range(60), MAPS).mapPartitionsWithIndex(note).reduceByKey(add, REDUCERS)


def noted(log: RunLog, stage: str, rdd: Any, do: Callable[[int], None] = lambda _: None) -> Any:
    """The RDD, whose tasks note their runs and then do something."""

    def note(index: int, records: Any) -> Any:
        log.ran(stage, index)
        do(index)
        return records

    return rdd.mapPartitionsWithIndex(note, preservesPartitioning=True)


def once(stage: str, count: int) -> dict[str, int]:
    return {f"{stage}-{i}": 1 for i in range(count)}


def lost_runs(runs: list[Run], victims: set[int]) -> set[str]:
    """The partitions that ran more than once, each of them first on a victim."""
    first: dict[str, Run] = {}
    again: set[str] = set()
    for run in runs:
        if run.name in first:
            assert first[run.name].pid in victims, f"{run.name} ran again, but was not lost"
            again.add(run.name)
        else:
            first[run.name] = run
    return again


def test_one_executor_dies_between_map_and_reduce(breakable: Any, log: RunLog) -> None:
    """Its map outputs are files of the node: only what it was just running runs again."""
    pids = executor_pids(breakable)

    def kill_the_other(index: int) -> None:
        if log.first_time("kill"):
            victim = min(pids - {os.getpid()})
            log.note(f"victim-{victim}")
            os.kill(victim, signal.SIGKILL)

    reduced = noted(log, "reduce", shuffled(breakable, log), kill_the_other)
    assert sorted(reduced.collect()) == EXPECTED
    victims = {int(name.split("-")[1]) for name in log.counts() if name.startswith("victim")}
    assert len(victims) == 1
    assert log.counts("map") == once("map", MAPS)
    again = lost_runs(log.runs("reduce"), victims)
    assert len(again) <= 2, "one that ran, and one that was sent ahead"
    assert len(log.runs("reduce")) == REDUCERS + len(again)


def test_two_jobs_share_the_shuffle(breakable: Any, log: RunLog) -> None:
    """Two threads use it for the first time at once; an executor dies under both."""
    shared = shuffled(breakable, log)
    results: dict[str, Any] = {}

    def die(index: int) -> None:
        if index == 1:
            log.die_once("shared")

    def act(name: str) -> None:
        results[name] = sorted(noted(log, name, shared, die).collect())

    threads = [threading.Thread(target=act, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"one": EXPECTED, "two": EXPECTED}
    assert not log.first_time("shared")
    assert log.counts("map") == once("map", MAPS), "each map partition ran once for both"
    extra = [run for run in (*log.runs("one"), *log.runs("two")) if run.attempt > 0]
    assert len(extra) <= 2


def test_all_executors_die_at_once_in_the_reduce_stage(breakable: Any, log: RunLog) -> None:
    pids = executor_pids(breakable)

    def kill_all(index: int) -> None:
        if index == 2 and log.first_time("all"):
            for pid in pids - {os.getpid()}:
                os.kill(pid, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    reduced = noted(log, "reduce", shuffled(breakable, log), kill_all)
    assert sorted(reduced.collect()) == EXPECTED
    assert not log.first_time("all")
    assert log.counts("map") == once("map", MAPS)
    assert len(lost_runs(log.runs("reduce"), pids)) <= 4


def test_lost_block_behind_a_lost_output_is_one_task_of_each(breakable: Any, log: RunLog) -> None:
    """A cached partition behind a skipped stage goes with its executor, and of the
    skipped stage one output is gone from the disk."""
    kept = noted(log, "keep", shuffled(breakable, log)).cache()
    assert sorted(kept.collect()) == EXPECTED
    first = {run.name: run.pid for run in log.runs("keep")}
    victim = first["keep-0"]
    folder = breakable._engine.files.path("shuffle")
    newest = max(int(name[1:].split("_")[0]) for name in os.listdir(folder))
    os.unlink(os.path.join(folder, f"s{newest}_3_0.data"))
    os.kill(victim, signal.SIGKILL)
    assert sorted(kept.collect()) == EXPECTED
    assert log.counts("map") == {**once("map", MAPS), "map-3": 2}
    runs = log.counts("keep")
    lost = {name for name, pid in first.items() if pid == victim}
    assert set(runs) == set(first)
    # Whoever comes to the gap in the shuffle first comes again when it is filled.
    assert all(runs[name] == 1 for name in set(first) - lost)
    assert sorted(kept.collect()) == EXPECTED
    assert log.counts("keep") == runs, "what was lost must be kept again"
    kept.unpersist()


@pytest.mark.parametrize("level", ["MEMORY_ONLY", "DISK_ONLY"])
def test_an_executor_dies_between_two_actions(breakable: Any, log: RunLog, level: str) -> None:
    source = breakable.parallelize(range(40), 8)
    kept = noted(log, "keep", source).persist(getattr(StorageLevel, level))
    assert kept.sum() == 780
    assert log.counts("keep") == once("keep", 8)
    first = {run.name: run.pid for run in log.runs("keep")}
    victim = first["keep-0"]
    os.kill(victim, signal.SIGKILL)
    assert kept.sum() == 780
    lost = {n for n, pid in first.items() if pid == victim} if level == "MEMORY_ONLY" else set()
    assert {n for n, count in log.counts("keep").items() if count > 1} == lost
    assert kept.sum() == 780
    assert sum(log.counts("keep").values()) == 8 + len(lost)
    kept.unpersist()


def pages(count: int) -> dict[int, list[int]]:
    return {n: [(n * 7 + i) % count for i in range(1, 4)] for n in range(count)}


def test_what_losses_cost_ten_turns_of_pagerank(breakable: Any, log: RunLog) -> None:
    """Executors die in turns 2, 5 and 8. A loss costs what was lost, not turns."""
    parts, turns, deadly = 4, 10, (2, 5, 8)
    links = pages(30)
    source = noted(
        log, "links", breakable.parallelize(list(links.items()), parts).partitionBy(parts)
    )
    graph = source.cache()
    ranks = graph.mapValues(lambda _: 1.0)
    for turn in range(turns):

        def die(index: int, turn: int = turn) -> None:
            if turn in deadly and index == 1:
                log.die_once(f"turn-{turn}")

        spread = noted(log, f"turn{turn}", graph.join(ranks, parts), die).flatMap(
            lambda pair: [(target, pair[1][1] / len(pair[1][0])) for target in pair[1][0]]
        )
        ranks = spread.reduceByKey(add, parts).mapValues(lambda r: 0.15 + 0.85 * r)
    found = dict(ranks.collect())

    expected = dict.fromkeys(links, 1.0)
    for _ in range(turns):
        new = dict.fromkeys(links, 0.0)
        for page, targets in links.items():
            for target in targets:
                new[target] += expected[page] / len(targets)
        expected = {page: 0.15 + 0.85 * rank for page, rank in new.items() if rank}
    assert found.keys() == expected.keys()
    assert all(abs(found[k] - expected[k]) < 1e-9 for k in expected)

    for turn in range(turns):
        runs = log.counts(f"turn{turn}")
        assert runs.keys() == once(f"turn{turn}", parts).keys()
        extra = sum(runs.values()) - parts
        # What the executor ran, and at most one task that was sent ahead.
        assert extra == 0 if turn not in deadly else 1 <= extra <= 2, (turn, runs)
    # Of the graph, what the dead kept in memory; never all of it once per loss.
    again = sum(log.counts("links").values()) - parts
    assert again <= len(deadly) * parts
    graph.unpersist()
