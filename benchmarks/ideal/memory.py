"""A list kept in each process; group and sort through sorted runs on disk."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.ideal.pair import KEPT, Pair, both, half, put, take
from benchmarks.model import Laps, mixed, times
from benchmarks.workloads.keyed import in_order

#: Records in memory of a process: a tenth of its share.
RUN = 75_000


def _make_rows(me: int, n: int) -> int:
    KEPT["rows"] = [(mixed(i) % 1_000, f"value {i}") for i in half(me, n)]
    return len(KEPT["rows"])


def _sum_rows(me: int) -> int:
    return sum([row[0] for row in KEPT["rows"]])


def cached(pair: Pair, data: Path, scale: float) -> Any:
    """Made once, read once more."""
    began = time.perf_counter()
    first = sum(pair.run(_make_rows, (0, 1), both(times(1_000_000, scale))))
    middle = time.perf_counter()
    second = sum(pair.run(_sum_rows, (0, 1)))
    return Laps((first, second), {"first": middle - began, "second": time.perf_counter() - middle})


def _spill(me: int, n: int, keys: int, run: int, scratch: Path) -> int:
    """Writes sorted runs, each in two files: lower keys and upper keys."""
    number = 0
    rows: list[Any] = []
    for i in half(me, n):
        text = f"a value of some length, so that it takes memory: {i:012d}"
        rows.append((mixed(i) % keys, text))
        if len(rows) == run:
            _write_run(me, number, rows, keys, scratch)
            number, rows = number + 1, []
    _write_run(me, number, rows, keys, scratch)
    return number + 1


def _write_run(me: int, number: int, rows: list[Any], keys: int, scratch: Path) -> None:
    rows.sort(key=itemgetter(0))
    low = [row for row in rows if row[0] < keys // 2]
    put(scratch / f"run-{me}-{number}-0", low)
    put(scratch / f"run-{me}-{number}-1", rows[len(low) :])


def _merged(me: int, runs: tuple[int, int], scratch: Path) -> Iterator[Any]:
    sources = [take(scratch / f"run-{m}-{r}-{me}") for m in (0, 1) for r in range(runs[m])]
    return heapq.merge(*sources, key=itemgetter(0))


def _merge_groups(me: int, runs: tuple[int, int], scratch: Path) -> tuple[int, Any]:
    total, best = 0, None
    for _, rows in groupby(_merged(me, runs, scratch), key=itemgetter(0)):
        values = [row[1] for row in rows]
        found = len(values), max(values)
        total += found[0]
        best = found if best is None else max(best, found)
    return total, best


def _merge_sorted(me: int, runs: tuple[int, int], scratch: Path) -> list[Any]:
    return list(_ends(key for key, _ in _merged(me, runs, scratch)))


def _ends(keys: Iterable[Any]) -> Iterator[Any]:
    it = iter(keys)
    first = last = next(it)
    number, is_sorted = 1, True
    for key in it:
        is_sorted = is_sorted and last <= key
        last = key
        number += 1
    yield first, last, number, is_sorted


def _spilled(pair: Pair, scale: float, keys: int, merge: Any) -> list[Any]:
    n, run = times(1_500_000, scale), times(RUN, scale)
    counts = pair.run(_spill, (0, 1), both(n), both(keys), both(run), both(pair.scratch))
    return pair.run(merge, (0, 1), both(tuple(counts)), both(pair.scratch))


def spill_group(pair: Pair, data: Path, scale: float) -> Any:
    """Runs sorted by key, merged, grouped as they come."""
    one, other = _spilled(pair, scale, times(30_000, scale), _merge_groups)
    return one[0] + other[0], max(one[1], other[1])


def spill_sort(pair: Pair, data: Path, scale: float) -> Any:
    """Runs sorted by key, merged."""
    one, other = _spilled(pair, scale, 2**32, _merge_sorted)
    return in_order(one + other)


PROGRAMS = {"cached": cached, "spill_group": spill_group, "spill_sort": spill_sort}
