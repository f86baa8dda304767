"""Promise 29: what a larger plan costs, in lines of Python executed, not in time.

On the in-process master planning, scheduling and the tasks all run on this
thread. Twice the size may cost about twice as much: what is quadratic costs
four times, what follows every path of a diamond never ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import add
from types import FrameType
from typing import Any

import pytest

import minispark

#: What a constant part and the tasks' own odd ends may add to a factor of two.
LIMIT = 2.4

pytestmark = pytest.mark.own_context


@pytest.fixture(scope="module")
def local(open_context: Callable[..., Any]) -> Any:
    context = open_context("local")
    yield context
    context.stop()


def lines_of(action: Callable[[], object]) -> int:
    """The lines of Python that an action executes on this thread."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def partitions(sc: Any, n: int) -> Any:
    return sc.parallelize(range(n), n).map(lambda x: x + 1)


def narrow_steps(sc: Any, n: int) -> Any:
    rdd = sc.parallelize([1], 1)
    for _ in range(n):
        rdd = rdd.map(lambda x: x)
    return rdd


def cached_steps(sc: Any, n: int) -> Any:
    rdd = sc.parallelize([1], 1)
    for _ in range(n):
        rdd = rdd.map(lambda x: x).persist(minispark.StorageLevel.MEMORY_ONLY)
    return rdd


def shuffles(sc: Any, n: int) -> Any:
    rdd = sc.parallelize([(1, 1)], 1)
    for _ in range(n):
        rdd = rdd.map(lambda kv: kv).reduceByKey(add, 1)
    return rdd


def unions_in_a_row(sc: Any, n: int) -> Any:
    rdd = sc.parallelize([1], 1)
    for _ in range(n):
        rdd = rdd.union(sc.parallelize([1], 1))
    return rdd


def one_union(sc: Any, n: int) -> Any:
    return sc.union([sc.parallelize([1], 1) for _ in range(n)])


def diamonds(sc: Any, n: int) -> Any:
    rdd = sc.parallelize([(1, 1)], 1)
    for _ in range(n):
        rdd = rdd.map(lambda kv: kv).union(rdd.filter(bool)).map(lambda kv: kv).reduceByKey(min, 1)
    return rdd


def joins_with_itself(sc: Any, n: int) -> Any:
    rdd = sc.parallelize([(1, 1)], 1)
    for _ in range(n):
        rdd = rdd.join(rdd, 1).map(lambda kv: (kv[0], kv[1][0]))
    return rdd


def zips_with_itself(sc: Any, n: int) -> Any:
    rdd = sc.parallelize([1], 1)
    for _ in range(n):
        rdd = rdd.zip(rdd).map(lambda pair: pair[0]).cache()
    return rdd


SHAPES: dict[str, tuple[Callable[[Any, int], Any], int]] = {
    "partitions": (partitions, 200),
    "narrow steps": (narrow_steps, 100),
    "cached steps": (cached_steps, 40),
    "shuffles": (shuffles, 15),
    "unions in a row": (unions_in_a_row, 50),
    "one union": (one_union, 100),
    "diamonds": (diamonds, 15),
    "joins with itself": (joins_with_itself, 8),
    "zips with itself": (zips_with_itself, 15),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_size_costs_twice(local: Any, shape: str) -> None:
    make, n = SHAPES[shape]

    def cost(size: int) -> int:
        return lines_of(lambda: make(local, size).count())

    cost(2)  # what happens only once
    one, two = cost(n), cost(2 * n)
    print(f"{shape}: {n} cost {one}, {2 * n} cost {two}: {two / one:.2f}")
    assert two / one < LIMIT


def test_a_turn_of_an_iterative_job_costs_the_same_later(local: Any) -> None:
    """With what the turn before kept unpersisted: only what is new is planned."""
    links = local.parallelize([(n, [n, 0]) for n in range(4)], 2).partitionBy(2).cache()
    ranks = links.mapValues(lambda _: 1.0)

    def turn() -> None:
        nonlocal ranks
        new = links.join(ranks, 2).flatMap(lambda kv: [(t, kv[1][1]) for t in kv[1][0]])
        new = new.reduceByKey(max, 2).mapValues(lambda r: r / 2).cache()
        assert new.count() == 4
        ranks.unpersist()
        ranks = new

    costs = [lines_of(turn) for _ in range(60)]
    early, late = sum(costs[10:20]), sum(costs[50:60])
    print(f"ten turns cost {early}, forty turns later {late}: {late / early:.2f}")
    assert late / early < 1.5
