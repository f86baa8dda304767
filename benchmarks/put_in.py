"""What putting functions into the loop is worth: the same jobs with and without it.

    python -m benchmarks.put_in [SCALE]

On master `local`, in CPU time of this process, best of several turns: `put in` as it
is, `called` as when somebody watches with a tracer or profiler (every function is
called), and `by hand` a plain loop for the same question. Answers are compared.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from operator import add
from pathlib import Path
from typing import Any

from minispark import SparkContext
from minispark.plan import loops

TURNS = 5


def _chain(sc: SparkContext, n: int) -> int:
    numbers = sc.range(n, numSlices=4).map(lambda x: x + 1).filter(lambda x: x % 7 != 3)
    pairs = numbers.map(lambda x: (x * 3, x & 15)).filter(lambda pair: pair[1] != 5)
    return pairs.map(lambda pair: pair[0] - pair[1]).filter(lambda x: x & 1 == 0).count()


def _chain_by_hand(n: int) -> int:
    count = 0
    for x in range(n):
        x += 1
        if x % 7 != 3:
            low = x & 15
            if low != 5 and (x * 3 - low) & 1 == 0:
                count += 1
    return count


def _words(sc: SparkContext, path: Path) -> dict[str, int]:
    words = sc.textFile(str(path), 4).flatMap(lambda line: line.split())
    return dict(words.map(lambda word: (word, 1)).reduceByKey(add).collect())


def _words_by_hand(path: Path) -> dict[str, int]:
    return dict(Counter(path.read_text("utf-8").split()))


def _sums(sc: SparkContext, n: int) -> dict[int, int]:
    pairs = sc.range(n, numSlices=4).map(lambda x: (x % 1_000, x))
    return dict(pairs.reduceByKey(lambda a, b: a + b).collect())


def _sums_by_hand(n: int) -> dict[int, int]:
    sums: dict[int, int] = {}
    for x in range(n):
        k = x % 1_000
        sums[k] = sums.get(k, 0) + x
    return sums


def _best(compute: Callable[[], Any], best: float) -> tuple[float, Any]:
    began = time.process_time()
    answer = compute()
    return min(best, time.process_time() - began), answer


def main() -> None:
    """Prints a line per job."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    n = int(500_000 * scale)
    rng = random.Random(1)
    vocabulary = [f"w{rank:x}" for rank in range(5_000)]
    weights = [1 / (rank + 1) for rank in range(5_000)]
    words = rng.choices(vocabulary, weights, k=n)
    lines = [" ".join(words[i : i + 10]) for i in range(0, n, 10)]
    is_watched = loops.is_watched
    with tempfile.TemporaryDirectory() as scratch, SparkContext("local") as sc:
        path = Path(scratch) / "words.txt"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        jobs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "narrow chain": (lambda: _chain(sc, n), lambda: _chain_by_hand(n)),
            "word count": (lambda: _words(sc, path), lambda: _words_by_hand(path)),
            "sums by key": (lambda: _sums(sc, n), lambda: _sums_by_hand(n)),
        }
        print(f"{'':<14}{'put in':>10}{'called':>10}{'by hand':>10}")
        for name, (job, by_hand) in jobs.items():
            put_in = called = hand = float("inf")
            for _ in range(TURNS):
                put_in, answer = _best(job, put_in)
                loops.is_watched = lambda: True
                called, other = _best(job, called)
                loops.is_watched = is_watched
                hand, expected = _best(by_hand, hand)
                if not answer == other == expected:
                    raise SystemExit(f"{name}: the answers differ")
            print(f"{name:<14}{put_in:>9.3f}s{called:>9.3f}s{hand:>9.3f}s")


if __name__ == "__main__":
    main()
