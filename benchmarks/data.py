"""The input files, generated once per scale: the same bytes on every machine."""

from __future__ import annotations

import random
import shutil
from itertools import accumulate
from pathlib import Path

WORDS = 4_000_000
LOG_LINES = 400_000
FILES = 4


def prepare(root: Path, scale: float, seed: int = 1) -> Path:
    """The directory with `text/` and `logs/` of this scale, made where missing."""
    directory = root / f"scale-{scale:g}"
    if (directory / "text").exists() and (directory / "logs").exists():
        return directory
    unfinished = root / f"unfinished-{scale:g}"
    shutil.rmtree(unfinished, ignore_errors=True)
    rng = random.Random(seed)
    _write_words(unfinished / "text", int(WORDS * scale), rng)
    _write_logs(unfinished / "logs", int(LOG_LINES * scale), rng)
    shutil.rmtree(directory, ignore_errors=True)
    unfinished.rename(directory)
    return directory


def _write_words(directory: Path, number: int, rng: random.Random) -> None:
    """Lines of ten words; how often a word comes falls with its rank (Zipf)."""
    directory.mkdir(parents=True)
    words = [f"w{rng.randrange(10**6):x}" for _ in range(50_000)]
    weights = list(accumulate(1 / (rank + 1) for rank in range(len(words))))
    for part in range(FILES):
        picked = rng.choices(words, cum_weights=weights, k=number // FILES)
        lines = [" ".join(picked[i : i + 10]) for i in range(0, len(picked), 10)]
        (directory / f"{part}.txt").write_text("\n".join(lines) + "\n", "utf-8")


def _write_logs(directory: Path, number: int, rng: random.Random) -> None:
    """Lines as a web server writes them; one in a thousand is broken."""
    directory.mkdir(parents=True)
    for part in range(FILES):
        rows = [
            f"10.0.{rng.randrange(16)}.{rng.randrange(250)} - - "
            f"[{rng.randrange(1, 29):02d}/May/2015:{rng.randrange(24):02d}:00:00 +0000] "
            f'"GET /p{int(5_000 * rng.random() ** 3)}.html HTTP/1.1" '
            f"{rng.choice((200, 200, 200, 200, 304, 404, 500))} {rng.randrange(90_000)}"
            if rng.random() > 0.001
            else "a line that no pattern matches"
            for _ in range(number // FILES)
        ]
        (directory / f"{part}.log").write_text("\n".join(rows) + "\n", "utf-8")
