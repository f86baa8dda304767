"""Counts the words of text files.

    python examples/wordcount.py [--master MASTER] [--top N] [TEXT ...]

Without a text, one is made up, always the same for the same `--lines`.
The script is also a PySpark program: change the import to `from pyspark`.
"""

from __future__ import annotations

import argparse
import random
import re
from operator import add

from minispark import SparkContext

WORD = re.compile(r"\w+")
SYLLABLES = ["ba", "den", "fi", "gor", "ha", "lu", "mer", "no", "pa", "ri", "sol", "tam", "ve"]


def made_up_lines(count: int, seed: int = 1) -> list[str]:
    """Lines of invented words, a few of them very frequent, as in any language."""
    rng = random.Random(seed)
    vocabulary = sorted({"".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(2000)})
    rng.shuffle(vocabulary)
    weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
    words = rng.choices(vocabulary, weights, k=count * 10)
    return [" ".join(words[i : i + 10]).capitalize() + "." for i in range(0, len(words), 10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("texts", nargs="*", help="files, directories or globs")
    parser.add_argument("--master", help="such as local, local[4] or an address")
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--lines", type=int, default=50_000, help="when the text is made up")
    args = parser.parse_args()

    with SparkContext(master=args.master, appName="word count") as sc:
        if args.texts:
            lines = sc.textFile(",".join(args.texts))
        else:
            lines = sc.parallelize(made_up_lines(args.lines))
        counts = (
            lines.flatMap(lambda line: WORD.findall(line.lower()))
            .map(lambda word: (word, 1))
            .reduceByKey(add)
            .cache()
        )
        total = counts.values().sum()
        print(f"{total:,} words, {counts.count():,} different ones; the most frequent:")
        for word, count in counts.takeOrdered(args.top, key=lambda item: (-item[1], item[0])):
            print(f"{count:10,}  {word}")


if __name__ == "__main__":
    main()
