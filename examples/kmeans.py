"""k-means: groups points around centres.

    python examples/kmeans.py [--master MASTER] [--clusters K] [POINTS]

`POINTS` is a text of lines of numbers, one point a line. Without it, points
around a few hidden centres are made up, always the same for the same
`--points`. Plain Python throughout: nothing to install on the executors.

The script is also a PySpark program: change the import to `from pyspark`.
"""

from __future__ import annotations

import argparse
import random

from minispark import SparkContext

Point = tuple[float, ...]


def made_up_points(count: int, seed: int = 1) -> list[str]:
    """Points scattered around four hidden centres."""
    rng = random.Random(seed)
    centres = [(1.0, 1.0), (8.0, 2.0), (4.0, 9.0), (-5.0, 5.0)]
    lines = []
    for number in range(count):
        x, y = centres[number % len(centres)]
        lines.append(f"{rng.gauss(x, 1):.4f} {rng.gauss(y, 1):.4f}")
    return lines


def squared_distance(a: Point, b: Point) -> float:
    return sum((x - y) * (x - y) for x, y in zip(a, b))


def nearest(point: Point, centres: list[Point]) -> int:
    """Index of the centre that is nearest to the point."""
    return min(range(len(centres)), key=lambda i: squared_distance(point, centres[i]))


def merge(a: tuple[Point, int], b: tuple[Point, int]) -> tuple[Point, int]:
    """Adds two (sum of points, number of points)."""
    return tuple(x + y for x, y in zip(a[0], b[0])), a[1] + b[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("points", nargs="?", help="a file, directory or glob")
    parser.add_argument("--master", help="such as local, local[4] or an address")
    parser.add_argument("--clusters", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--count", type=int, default=20_000, help="when points are made up")
    args = parser.parse_args()

    with SparkContext(master=args.master, appName="k-means") as sc:
        if args.points:
            lines = sc.textFile(args.points)
        else:
            lines = sc.parallelize(made_up_points(args.count))
        points = lines.map(lambda line: tuple(map(float, line.split()))).cache()

        # Start from points far from one another: the same ones on every run.
        centres = [points.min()]
        while len(centres) < args.clusters:
            found = list(centres)
            farthest = points.map(
                lambda p, found=found: (min(squared_distance(p, c) for c in found), p)
            ).max()
            centres.append(farthest[1])

        for _ in range(args.iterations):
            known = sc.broadcast(centres)
            sums = (
                points.map(lambda p, known=known: (nearest(p, known.value), (p, 1)))
                .reduceByKey(merge)
                .collectAsMap()
            )
            centres = [
                tuple(x / sums[i][1] for x in sums[i][0]) if i in sums else centre
                for i, centre in enumerate(centres)
            ]
            known.unpersist()

        cost = points.map(lambda p: min(squared_distance(p, c) for c in centres)).sum()
        print(f"{points.count():,} points, {len(centres)} clusters, cost {cost:.3f}")
        for i, centre in sorted(enumerate(centres), key=lambda item: item[1]):
            place = "  ".join(f"{x:9.4f}" for x in centre)
            print(f"  {place}   {sums[i][1] if i in sums else 0:8,} points")


if __name__ == "__main__":
    main()
