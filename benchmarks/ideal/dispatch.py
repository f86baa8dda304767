"""Jobs that do nothing: one message to each process and back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.ideal.pair import Pair, both, half
from benchmarks.model import times
from benchmarks.workloads.dispatch import jobs_2, jobs_8, jobs_200


def _add_ones(numbers: list[int]) -> int:
    return sum([x + 1 for x in numbers])


def _tiny(pair: Pair, jobs: int, size: int) -> int:
    halves = list(half(0, size)), list(half(1, size))
    return sum(sum(pair.run(_add_ones, halves)) for _ in range(jobs))


def tiny_2(pair: Pair, data: Path, scale: float) -> Any:
    """A number each."""
    return _tiny(pair, jobs_2(scale), 2)


def tiny_8(pair: Pair, data: Path, scale: float) -> Any:
    """Four numbers each."""
    return _tiny(pair, jobs_8(scale), 8)


def tiny_200(pair: Pair, data: Path, scale: float) -> Any:
    """A hundred numbers each."""
    return _tiny(pair, jobs_200(scale), 200)


def _count(me: int, n: int) -> Counter[int]:
    return Counter([i % 1_000 for i in half(me, n)])


def shuffle_200(pair: Pair, data: Path, scale: float) -> Any:
    """Two counters added up: nobody would cut so little data into 40,000 blocks."""
    one, other = pair.run(_count, (0, 1), both(100 * times(200, scale**0.5)))
    return dict(one + other)


PROGRAMS = {
    "tiny_2": tiny_2,
    "tiny_8": tiny_8,
    "tiny_200": tiny_200,
    "shuffle_200": shuffle_200,
}
