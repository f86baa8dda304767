"""The workloads: functions of `(sc, data, scale)` that run on either engine.

Each one takes a live context, the directory of the generated data and a scale,
runs its jobs to the end and returns a small checkable answer, so that a wrong
result is not mistaken for a fast one. They use only what PySpark has, too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from operator import add
from pathlib import Path
from typing import Any

Workload = Callable[[Any, Path, float], Any]

PARTITIONS = 8
_WORD = re.compile(r"\w+")
_LOG = re.compile(r'(\S+) \S+ \S+ \[([^]]+)\] "(\S+) (\S+)[^"]*" (\d{3}) (\d+|-)')


def make_data(directory: Path, scale: float, seed: int = 1) -> None:
    """Writes the input files once: `text/` and `logs/`, a few files each."""
    rng = random.Random(seed)
    words = [f"w{rng.randrange(10**6):x}" for _ in range(20_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    for name in ("text", "logs"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for part in range(4):
        picked = rng.choices(words, weights, k=int(250_000 * scale))
        lines = [" ".join(picked[i : i + 10]) for i in range(0, len(picked), 10)]
        (directory / "text" / f"{part}.txt").write_text("\n".join(lines) + "\n", "utf-8")
        rows = [
            f"10.0.{rng.randrange(16)}.{rng.randrange(250)} - - [{rng.randrange(1, 8):02d}/May/2015"
            f":{rng.randrange(24):02d}:00:00 +0000] "
            f'"GET /p{int(500 * rng.random() ** 3)}.html HTTP/1.1" '
            f"{rng.choice((200, 200, 200, 200, 304, 404, 500))} {rng.randrange(90_000)}"
            for _ in range(int(50_000 * scale))
        ]
        (directory / "logs" / f"{part}.log").write_text("\n".join(rows) + "\n", "utf-8")


def _mixed(i: int) -> int:
    """A cheap number that looks random but is not."""
    return (i * 2_654_435_761) & 0xFFFFFFFF


def word_count(sc: Any, data: Path, scale: float) -> Any:
    """flatMap, map, reduceByKey over text files; a shuffle that combines well."""
    words = sc.textFile(str(data / "text"), PARTITIONS).flatMap(_WORD.findall)
    counts = words.map(lambda w: (w, 1)).reduceByKey(add)
    return counts.takeOrdered(3, key=lambda kv: (-kv[1], kv[0]))


def _parse(line: str) -> tuple[str, ...]:
    match = _LOG.match(line)
    return match.groups() if match else ()


def log_etl(sc: Any, data: Path, scale: float) -> Any:
    """Parse with a regular expression, cache, three questions."""
    rows = sc.textFile(str(data / "logs"), PARTITIONS).map(_parse).filter(bool).cache()
    by_status = sorted(rows.map(lambda r: (r[4], 1)).reduceByKey(add).collect())
    sizes = rows.map(lambda r: (r[1][:14], int(r[5]))).reduceByKey(add)
    visitors = rows.map(lambda r: (r[1][:2], r[0])).distinct().countByKey()
    answer = by_status, max(sizes.values().collect()), sorted(visitors.items())
    rows.unpersist()
    return answer


def group(sc: Any, data: Path, scale: float) -> Any:
    """groupByKey: every value crosses the shuffle."""
    pairs = sc.range(int(600_000 * scale), numSlices=PARTITIONS).map(
        lambda i: (_mixed(i) % 5_000, i)
    )
    return pairs.groupByKey().mapValues(lambda values: sum(1 for _ in values)).values().max()


def join(sc: Any, data: Path, scale: float) -> Any:
    """A join of two shuffled sides, most keys in both."""
    n = int(200_000 * scale)
    left = sc.range(n, numSlices=PARTITIONS).map(lambda i: (_mixed(i) % n, i))
    right = sc.range(n, numSlices=PARTITIONS).map(lambda i: (_mixed(i + 1) % n, -i))
    return left.join(right).count()


def sort(sc: Any, data: Path, scale: float) -> Any:
    """sortByKey: sampling, range partitioning, sorting."""
    pairs = sc.range(int(400_000 * scale), numSlices=PARTITIONS).map(lambda i: (_mixed(i), i))
    return pairs.sortByKey().take(3)


def pagerank(sc: Any, data: Path, scale: float) -> Any:
    """Five iterations of join and reduceByKey over cached, partitioned links."""
    n = int(20_000 * scale)
    edges = sc.range(n * 8, numSlices=PARTITIONS).map(
        lambda i: (i % n, int(n * (_mixed(i) / 2**32) ** 2))
    )
    links = edges.groupByKey(PARTITIONS).mapValues(list).cache()
    ranks = links.mapValues(lambda _: 1.0)
    for _ in range(5):
        given = links.join(ranks, PARTITIONS).flatMap(
            lambda item: [(page, item[1][1] / len(item[1][0])) for page in item[1][0]]
        )
        ranks = given.reduceByKey(add, PARTITIONS).mapValues(lambda s: 0.15 + 0.85 * s)
    answer = round(ranks.values().sum(), 3)
    links.unpersist()
    return answer


def narrow_chain(sc: Any, data: Path, scale: float) -> Any:
    """Ten chained element-wise operations: what fusing is worth."""
    numbers = sc.range(int(1_000_000 * scale), numSlices=PARTITIONS)
    for k in range(5):
        numbers = numbers.map(lambda x, k=k: x + k).filter(lambda x: x % 7 != 3)
    return numbers.count()


def distinct(sc: Any, data: Path, scale: float) -> Any:
    """distinct over mostly different records."""
    n = int(400_000 * scale)
    return sc.range(n, numSlices=PARTITIONS).map(lambda i: _mixed(i) % n).distinct().count()


def tiny_jobs(sc: Any, data: Path, scale: float) -> Any:
    """Many jobs of two tasks that do nothing: what a job costs."""
    two = sc.parallelize([1, 2], 2).cache()
    return sum(two.sum() for _ in range(max(1, int(50 * scale))))


WORKLOADS: dict[str, Workload] = {
    function.__name__: function
    for function in (
        word_count,
        log_etl,
        group,
        join,
        sort,
        pagerank,
        narrow_chain,
        distinct,
        tiny_jobs,
    )
}
