"""PageRank: which pages matter, judged by the links between them.

    python examples/pagerank.py [--master MASTER] [--iterations N] [EDGES]

`EDGES` is a text of lines `page linked-page`. Without it, a web is made up,
always the same for the same `--pages`. The links stay partitioned by page, so
each iteration shuffles the ranks only.

The script is also a PySpark program: change the import to `from pyspark`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from operator import add

from minispark import SparkContext


def made_up_edges(pages: int, seed: int = 1) -> list[str]:
    """Edges of a web in which few pages get most of the links."""
    rng = random.Random(seed)
    edges = []
    for page in range(pages):
        for _ in range(rng.randint(1, 12)):
            target = int(pages * rng.random() ** 3)
            edges.append(f"page{page} page{target}")
    return edges


def parse_edge(line: str) -> tuple[str, str]:
    """The two pages of one line; more columns are ignored."""
    page, linked = line.split()[:2]
    return page, linked


def shares(links: list[str], rank: float) -> Iterator[tuple[str, float]]:
    """A page gives each page it links to an equal share of its rank."""
    for linked in links:
        yield linked, rank / len(links)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("edges", nargs="?", help="a file, directory or glob")
    parser.add_argument("--master", help="such as local, local[4] or an address")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--pages", type=int, default=5_000, help="when the web is made up")
    parser.add_argument("--top", type=int, default=10)
    args = parser.parse_args()

    with SparkContext(master=args.master, appName="PageRank") as sc:
        if args.edges:
            lines = sc.textFile(args.edges, args.partitions)
        else:
            lines = sc.parallelize(made_up_edges(args.pages), args.partitions)
        links = (
            lines.filter(lambda line: line.strip() and not line.startswith("#"))
            .map(parse_edge)
            .distinct()
            .groupByKey(args.partitions)
            .mapValues(sorted)
            .cache()
        )
        ranks = links.mapValues(lambda _: 1.0)
        for _ in range(args.iterations):
            given = links.join(ranks, args.partitions).flatMap(lambda item: shares(*item[1]))
            ranks = given.reduceByKey(add, args.partitions).mapValues(lambda s: 0.15 + 0.85 * s)
        ranks.cache()
        print(f"{links.count():,} pages with links; sum of the ranks {ranks.values().sum():.4f}")
        # Rounded before comparing: the order of floating-point additions is open.
        best = ranks.mapValues(lambda rank: round(rank, 6)).takeOrdered(
            args.top, key=lambda item: (-item[1], item[0])
        )
        for page, rank in best:
            print(f"{rank:10.4f}  {page}")


if __name__ == "__main__":
    main()
