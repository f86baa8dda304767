"""Group, join, sort and distinct: each process keeps its share of the keys."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.ideal.pair import KEPT, Pair, both, half, put, take
from benchmarks.model import mixed, times
from benchmarks.workloads.keyed import ends, in_order


def _split(me: int, rows: list[Any], theirs: list[Any], scratch: Path, what: str) -> None:
    put(scratch / f"{what}-{1 - me}", theirs)
    KEPT[what] = rows


def _group_map(me: int, n: int, scratch: Path) -> None:
    parts: tuple[list[Any], list[Any]] = ([], [])
    for i in half(me, n):
        key = int(20_000 * (mixed(i) / 2**32) ** 3)
        parts[key & 1].append((key, i))
    _split(me, parts[me], parts[1 - me], scratch, "group")


def _group_reduce(me: int, scratch: Path) -> dict[int, tuple[int, int]]:
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for key, value in KEPT.pop("group"):
        groups[key].append(value)
    for key, value in take(scratch / f"group-{me}"):
        groups[key].append(value)
    return {key: (len(values), max(values)) for key, values in groups.items()}


def group_skew(pair: Pair, data: Path, scale: float) -> Any:
    """Two lists by key, one exchanged, one dictionary of lists."""
    pair.run(_group_map, (0, 1), both(times(1_000_000, scale)), both(pair.scratch))
    one, other = pair.run(_group_reduce, (0, 1), both(pair.scratch))
    return {**one, **other}


def _join_map(me: int, n: int, scratch: Path) -> None:
    left: tuple[list[Any], list[Any]] = ([], [])
    right: tuple[list[Any], list[Any]] = ([], [])
    for i in half(me, 10 * n):
        number = mixed(i) % n
        left[number & 1].append((f"key-{number}", i))
    for i in half(me, n):
        right[i & 1].append((f"key-{i}", -i))
    _split(me, left[me], left[1 - me], scratch, "left")
    _split(me, right[me], right[1 - me], scratch, "right")


def _join_reduce(me: int, scratch: Path) -> tuple[int, int]:
    table: defaultdict[str, list[int]] = defaultdict(list)
    for key, value in KEPT.pop("right"):
        table[key].append(value)
    for key, value in take(scratch / f"right-{me}"):
        table[key].append(value)
    count = total = 0
    for rows in (KEPT.pop("left"), take(scratch / f"left-{me}")):
        for key, value in rows:
            for other in table.get(key, ()):
                count += 1
                total += value + other
    return count, total


def join(pair: Pair, data: Path, scale: float) -> Any:
    """Both sides exchanged by key, a dictionary of the smaller one."""
    pair.run(_join_map, (0, 1), both(times(100_000, scale)), both(pair.scratch))
    parts = pair.run(_join_reduce, (0, 1), both(pair.scratch))
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _sort_map(me: int, n: int, scratch: Path) -> None:
    parts: tuple[list[Any], list[Any]] = ([], [])
    for i in half(me, n):
        key = mixed(i)
        parts[key >> 31].append((key, i))
    _split(me, parts[me], parts[1 - me], scratch, "sort")


def _sort_reduce(me: int, scratch: Path) -> list[tuple[Any, ...]]:
    rows = KEPT.pop("sort")
    rows.extend(take(scratch / f"sort-{me}"))
    rows.sort(key=itemgetter(0))
    return list(ends(rows))


def sort(pair: Pair, data: Path, scale: float) -> Any:
    """Small keys here, large keys there; each sorts its own."""
    pair.run(_sort_map, (0, 1), both(times(1_000_000, scale)), both(pair.scratch))
    one, other = pair.run(_sort_reduce, (0, 1), both(pair.scratch))
    return in_order(one + other)


def _distinct_map(me: int, n: int, scratch: Path) -> tuple[Counter[int], int, float, float]:
    numbers = [mixed(i) % (n // 2 + 1) for i in half(me, n)]
    seen = set(numbers)
    own = {x for x in seen if x & 1 == me}
    _split(me, list(own), list(seen - own), scratch, "distinct")
    mean = statistics.fmean(numbers)
    variance = statistics.fmean([(x - mean) ** 2 for x in numbers])
    return Counter([x % 1_000 for x in numbers]), len(numbers), mean, variance


def _distinct_reduce(me: int, scratch: Path) -> int:
    seen = set(KEPT.pop("distinct"))
    seen.update(take(scratch / f"distinct-{me}"))
    return len(seen)


def distinct(pair: Pair, data: Path, scale: float) -> Any:
    """One pass for all three questions, one exchange of sets."""
    one, other = pair.run(_distinct_map, (0, 1), both(times(2_000_000, scale)), both(pair.scratch))
    number = sum(pair.run(_distinct_reduce, (0, 1), both(pair.scratch)))
    count = one[1] + other[1]
    mean = (one[1] * one[2] + other[1] * other[2]) / count
    squares = sum(n * (variance + (m - mean) ** 2) for _, n, m, variance in (one, other))
    return number, dict(one[0] + other[0]), mean, (squares / count) ** 0.5


PROGRAMS = {
    "group_skew": group_skew,
    "join": join,
    "join_once": join,
    "sort": sort,
    "distinct": distinct,
    "distinct_cached": distinct,
}
