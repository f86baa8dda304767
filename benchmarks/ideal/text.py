"""Word count and the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.ideal.pair import Pair, both
from benchmarks.workloads.text import LOG


def _files(data: Path, kind: str) -> tuple[list[Path], list[Path]]:
    files = sorted((data / kind).iterdir())
    return files[::2], files[1::2]


def _count(files: list[Path]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for file in files:
        counts.update(file.read_text("utf-8").split())
    return counts


def word_count(pair: Pair, data: Path, scale: float) -> Any:
    """One counter per process, added up here."""
    one, other = pair.run(_count, _files(data, "text"))
    one.update(other)
    return dict(one)


def _log(files: list[Path]) -> tuple[dict[str, int], dict[str, int]]:
    by_page: defaultdict[str, int] = defaultdict(int)
    by_hour: defaultdict[str, int] = defaultdict(int)
    match = LOG.match
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                found = match(line)
                if found is not None:
                    _, when, _, page, status, size = found.groups()
                    by_hour[when[12:14]] += 1
                    if int(status) < 400:
                        by_page[page] += 0 if size == "-" else int(size)
    return by_page, by_hour


def log_etl(pair: Pair, data: Path, scale: float) -> Any:
    """Both questions in one pass over the lines."""
    (pages, hours), (more_pages, more_hours) = pair.run(_log, _files(data, "logs"))
    for page, size in more_pages.items():
        pages[page] += size
    for hour, count in more_hours.items():
        hours[hour] += count
    top = sorted(pages.items(), key=lambda item: (item[1], item[0]), reverse=True)[:20]
    return top, sorted(hours.items())


def _log_pages(files: list[Path]) -> dict[str, int]:
    by_page: defaultdict[str, int] = defaultdict(int)
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for found in filter(None, map(LOG.match, lines)):
                page, status, size = found.group(4, 5, 6)
                if int(status) < 400:
                    by_page[page] += 0 if size == "-" else int(size)
    return by_page


def log_etl_once(pair: Pair, data: Path, scale: float) -> Any:
    """One question in one pass."""
    pages, more_pages = pair.run(_log_pages, _files(data, "logs"))
    for page, size in more_pages.items():
        pages[page] += size
    top = sorted(pages.items(), key=lambda item: (item[1], item[0]), reverse=True)[:20]
    return top, sorted(pages.items())[:20]


def _chain(me: int, n: int) -> int:
    count = 0
    for x in range(n // 2) if me == 0 else range(n // 2, n):
        x += 1
        if x % 7 != 3:
            x *= 3
            low = x & 15
            if low != 5:
                x = (x - low) ^ 255
                if x % 11 and not (x >> 1) & 1:
                    count += 1
    return count


def narrow_chain(pair: Pair, data: Path, scale: float) -> Any:
    """The lambdas written out in one loop."""
    return sum(pair.run(_chain, (0, 1), both(int(3_000_000 * scale))))


PROGRAMS = {
    "word_count": word_count,
    "log_etl": log_etl,
    "log_etl_cached": log_etl,
    "log_etl_once": log_etl_once,
    "narrow_chain": narrow_chain,
}
