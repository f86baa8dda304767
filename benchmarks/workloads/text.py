"""Text in, a shuffle that combines well."""

from __future__ import annotations

import re
from operator import add
from pathlib import Path
from typing import Any

from benchmarks.model import PARTITIONS, Workload

LOG = re.compile(r'(\S+) \S+ \S+ \[([^]]+)\] "(\S+) (\S+)[^"]*" (\d{3}) (\d+|-)')


def word_count(sc: Any, data: Path, scale: float) -> Any:
    """flatMap, map, reduceByKey, collect."""
    lines = sc.textFile(str(data / "text"), PARTITIONS)
    counts = lines.flatMap(lambda line: line.split()).map(lambda word: (word, 1)).reduceByKey(add)
    return dict(counts.collect())


def parse(line: str) -> tuple[str, str, int, int] | None:
    """(page, hour, status, bytes) of a line of the log."""
    match = LOG.match(line)
    if match is None:
        return None
    _, when, _, page, status, size = match.groups()
    return page, when[12:14], int(status), 0 if size == "-" else int(size)


def log_etl(sc: Any, data: Path, scale: float) -> Any:
    """Parse by a regular expression, filter, reduceByKey, sort, top."""
    return _questions(_rows(sc, data))


def log_etl_cached(sc: Any, data: Path, scale: float) -> Any:
    """The same by a user who caches what two questions are asked of."""
    rows = _rows(sc, data).cache()
    answers = _questions(rows)
    rows.unpersist()
    return answers


def log_etl_once(sc: Any, data: Path, scale: float) -> Any:
    """One question, of the matches as they are: regex, filter, reduceByKey, sort, top."""
    matches = sc.textFile(str(data / "logs"), PARTITIONS).map(LOG.match).filter(lambda m: m)
    good = matches.filter(lambda m: int(m[5]) < 400)
    by_page = good.map(lambda m: (m[4], 0 if m[6] == "-" else int(m[6]))).reduceByKey(add)
    return by_page.top(20, key=lambda item: (item[1], item[0])), by_page.sortByKey().take(20)


def _rows(sc: Any, data: Path) -> Any:
    return sc.textFile(str(data / "logs"), PARTITIONS).map(parse).filter(lambda row: row)


def _questions(rows: Any) -> Any:
    good = rows.filter(lambda row: row[2] < 400)
    by_page = good.map(lambda row: (row[0], row[3])).reduceByKey(lambda a, b: a + b)
    by_hour = rows.map(lambda row: (row[1], 1)).reduceByKey(add).sortByKey()
    return by_page.top(20, key=lambda item: (item[1], item[0])), by_hour.collect()


WORKLOADS = (
    Workload("word_count", word_count, "4M Zipf words from text files: flatMap, map, reduceByKey"),
    Workload("log_etl", log_etl, "400k log lines: regex, filter, reduceByKey, sortByKey, top"),
    Workload("log_etl_cached", log_etl_cached, "the same, the parsed lines cached"),
    Workload("log_etl_once", log_etl_once, "one of its questions, asked of the matches themselves"),
)
