"""Questions to web access logs in Combined Log Format.

    python examples/access_log.py [--master MASTER] [--output DIR] [LOG ...]

`LOG` is a file, a directory or a glob; compressed files are read as they are.
Without any, logs are made by `generate_logs.py`. The parsed requests are cached
by the first question that needs them and read from memory by the others. The
cleaned requests and the report go to a new directory below `--output`.

The script is also a PySpark program: change the import to `from pyspark`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from generate_logs import generate

from minispark import SparkContext

COMBINED = re.compile(
    r"(\S+) \S+ \S+ \[(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):\d\d:\d\d [+-]\d{4}\] "
    r'"(\S+) (\S+) [^"]*" (\d{3}) (\d+|-) '
    # Referrer and browser: quoted, with escaped quotes in them.
    r'"[^"\\]*(?:\\.[^"\\]*)*" "[^"\\]*(?:\\.[^"\\]*)*"\s*$'
)
MONTH_NAMES = "JanFebMarAprMayJunJulAugSepOctNovDec"
MONTHS = {MONTH_NAMES[3 * i : 3 * i + 3]: f"{i + 1:02d}" for i in range(12)}
#: The small table of the join: who answers for which section of the site.
OWNERS = [
    ("admin", "operations"),
    ("api", "platform team"),
    ("articles", "editorial office"),
    ("blog", "editorial office"),
    ("files", "operations"),
    ("images", "media team"),
    ("presentations", "developer relations"),
    ("projects", "developer relations"),
]


class Request(NamedTuple):
    """One parsed line."""

    host: str
    day: str
    hour: str
    method: str
    path: str
    status: int
    size: int


def parse(line: str) -> Request | None:
    """The request of one line; None when it is not Combined Log Format."""
    match = COMBINED.match(line)
    if match is None:
        return None
    host, day, month, year, hour, method, url, status, size = match.groups()
    if month not in MONTHS:
        return None
    return Request(
        host,
        f"{year}-{MONTHS[month]}-{day}",
        hour,
        method,
        url.partition("?")[0],
        int(status),
        0 if size == "-" else int(size),
    )


def section(path: str) -> str:
    """`blog` for `/blog/1.html`; `(top)` for what lies in no section."""
    parts = path.split("/", 2)
    return parts[1] if len(parts) == 3 and parts[1] else "(top)"


def add(a: int, b: int) -> int:
    return a + b


class Report:
    """Collects what is shown, and how long each question took."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.times: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def question(self, title: str) -> Iterator[None]:
        started = time.perf_counter()
        self.lines += ["", title, "-" * len(title)]
        yield
        self.times.append((title, time.perf_counter() - started))

    def table(self, rows: list[tuple[Any, ...]], header: tuple[str, ...]) -> None:
        """Aligned columns: numbers to the right, everything else to the left."""
        cells = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
        right = [all(isinstance(row[i], int) for row in rows) for i in range(len(header))]
        widths = [max(map(len, column)) for column in zip(header, *cells)]
        for row in [list(header), *cells]:
            self.lines.append(
                "  "
                + "  ".join(
                    cell.rjust(width) if is_number else cell.ljust(width)
                    for cell, width, is_number in zip(row, widths, right)
                ).rstrip()
            )

    def text(self) -> str:
        return "\n".join(self.lines).strip("\n") + "\n"


def plan_of(rdd: Any) -> str:
    """The plan of an RDD: `explain()` where the engine has it, else its lineage."""
    if not hasattr(rdd, "explain"):
        return rdd.toDebugString().decode()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        returned = rdd.explain()
    return printed.getvalue() or str(returned)


def fresh_directory(parent: Path) -> Path:
    """A new directory `run-001`, `run-002`, … below `parent`."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        directory = parent / f"run-{number:03d}"
        try:
            directory.mkdir()
        except FileExistsError:
            number += 1
        else:
            return directory


def analyse(sc: SparkContext, paths: list[str], directory: Path) -> Report:
    """Asks all the questions; writes the cleaned requests below `directory`."""
    malformed = sc.accumulator(0)

    def requests_of(line: str) -> list[Request]:
        request = parse(line)
        if request is None:
            malformed.add(1)
            return []
        return [request]

    # Counted where the lines are parsed, which happens once: the RDD is cached.
    # An accumulator updated in a transformation counts again when it runs again.
    lines = sc.textFile(",".join(paths))
    requests = lines.flatMap(requests_of).setName("requests").cache()
    report = Report()

    with report.question("Requests per status"):
        by_status = requests.map(lambda r: (r.status, 1)).reduceByKey(add)
        rows = sorted(by_status.collect())
        total = sum(count for _, count in rows)
        report.table(
            [(str(status), count, f"{count / total:7.2%}") for status, count in rows],
            ("status", "requests", "share"),
        )

    with report.question("Malformed lines"):
        report.lines.append(f"  {malformed.value:,} of {total + malformed.value:,} lines; some:")
        samples = lines.filter(lambda line: parse(line) is None).take(3)
        report.lines += [f"    {sample[:72]!r}" for sample in samples]

    with report.question("Top failing URLs"):
        failing = (
            requests.filter(lambda r: r.status >= 400)
            .map(lambda r: ((r.path, r.status), 1))
            .reduceByKey(add)
        )
        worst = failing.takeOrdered(8, key=lambda item: (-item[1], item[0]))
        report.table(
            [(count, str(status), path[:60]) for (path, status), count in worst],
            ("requests", "status", "url"),
        )

    with report.question("Bytes per hour"):
        per_hour = requests.map(lambda r: (f"{r.day} {r.hour}:00", r.size)).reduceByKey(add)
        hours = per_hour.sortByKey().collect()
        busiest = sorted(hours, key=lambda item: (-item[1], item[0]))[:8]
        report.lines.append(f"  {len(hours)} hours; the busiest:")
        report.table(busiest, ("hour", "bytes"))

    with report.question("Visitors per day"):
        visitors = (
            requests.map(lambda r: (r.day, r.host))
            .distinct()
            .map(lambda pair: (pair[0], 1))
            .reduceByKey(add)
        )
        report.table(visitors.sortByKey().collect(), ("day", "visitors"))

    with report.question("Traffic per owner"):
        owners = sc.parallelize(OWNERS, 2)
        per_section = requests.map(lambda r: (section(r.path), (1, r.size))).reduceByKey(
            lambda a, b: (a[0] + b[0], a[1] + b[1])
        )
        per_owner = (
            per_section.leftOuterJoin(owners)
            .map(lambda item: (item[1][1] or "(nobody)", item[1][0]))
            .reduceByKey(lambda a, b: (a[0] + b[0], a[1] + b[1]))
        )
        # Asked before the action: afterwards most of it would be "skipped".
        plan = plan_of(per_owner)
        traffic = sorted(per_owner.collect(), key=lambda item: (-item[1][1], item[0]))
        report.table(
            [(owner, count, size) for owner, (count, size) in traffic],
            ("owner", "requests", "bytes"),
        )

    with report.question("Cleaned requests"):
        target = directory / "requests"
        requests.map(lambda r: "\t".join(map(str, r))).saveAsTextFile(str(target))
        report.lines.append(f"  written to {target}")

    report.lines += ["", "Plan of 'Traffic per owner'", "---------------------------"]
    report.lines += [f"  {line}".rstrip() for line in plan.splitlines()]
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("logs", nargs="*", help="files, directories or globs")
    parser.add_argument("--master", help="such as local, local[4] or an address")
    parser.add_argument("--output", type=Path, default=Path("access_log_output"))
    parser.add_argument("--lines", type=int, default=300_000, help="when logs are generated")
    args = parser.parse_args()

    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        paths = args.logs
        if not paths:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="access-log-"))
            paths = [str(path) for path in generate(Path(scratch), args.lines)]
        sc = stack.enter_context(SparkContext(master=args.master, appName="access log"))
        directory = fresh_directory(args.output.resolve())
        ready = time.perf_counter()
        report = analyse(sc, paths, directory)
        (directory / "report.txt").write_text(report.text(), encoding="utf-8")

    print(report.text())
    print("Seconds per question (the first waits for executors, reads the logs, fills the cache)")
    for title, seconds in report.times:
        print(f"  {title:<24}{seconds:8.2f}")
    print(f"  {'All, after start':<24}{time.perf_counter() - ready:8.2f}")
    print(f"  {'All':<24}{time.perf_counter() - started:8.2f}")
    print(f"\nReport and cleaned requests: {directory}")


if __name__ == "__main__":
    main()
