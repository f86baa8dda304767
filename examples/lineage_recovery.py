"""Kills an executor in the middle of a job; shows what is computed again.

    python examples/lineage_recovery.py [--master local-process[3]]

A cached RDD is spread over the executors' memories. While a second job reads
it, one executor is killed with SIGKILL. Its partitions are gone; the engine
starts another executor and computes them again from their lineage, them only,
and the answer is the same. Every computation of a partition appends a line
`phase partition attempt pid` to a trace file, which is what the verdict is
based on. Exits with 1 when the verdict is not "recovered".

The executors must run on this machine: the script kills one of them by its pid.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from minispark import SparkContext, TaskContext

COMPUTED, READ = "computed", "read"


class Entry(NamedTuple):
    """One line of the trace."""

    phase: str
    partition: int
    attempt: int
    pid: int


class Trace:
    """A file that the tasks of all executors append to, a line at a time."""

    def __init__(self, path: str) -> None:
        self.path = path

    def add(self, phase: str, partition: int) -> None:
        context = TaskContext.get()
        attempt = context.attemptNumber() if context else 0
        # One small write in append mode: lines of different processes never mix.
        with open(self.path, "ab", buffering=0) as file:
            file.write(f"{phase} {partition} {attempt} {os.getpid()}\n".encode())

    def entries(self) -> list[Entry]:
        with open(self.path, encoding="ascii") as file:
            rows = [line.split() for line in file if line.endswith("\n")]
        return [Entry(phase, int(p), int(attempt), int(pid)) for phase, p, attempt, pid in rows]


def kill_when_reading(trace: Trace, victim: int, deadline_s: float) -> None:
    """Waits until the victim works on the second job, then kills it."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if any(e.phase == READ and e.pid == victim for e in trace.entries()):
            os.kill(victim, signal.SIGKILL)
            return
        time.sleep(0.005)


def show(title: str, entries: list[Entry]) -> None:
    print(f"\n{title}")
    by_pid: dict[int, list[int]] = {}
    for entry in entries:
        by_pid.setdefault(entry.pid, []).append(entry.partition)
    for pid, partitions in sorted(by_pid.items()):
        print(f"  executor with pid {pid:<8} partitions {sorted(partitions)}")


def run(sc: SparkContext, trace: Trace, partitions: int, pause_s: float) -> bool:
    """The two jobs and the murder; whether everything was as promised."""

    def compute(index: int, numbers: Iterable[int]) -> Iterator[int]:
        trace.add(COMPUTED, index)
        time.sleep(pause_s)
        for number in numbers:
            yield number * number

    def read(index: int, squares: Iterable[int]) -> Iterator[int]:
        result = sum(squares)
        trace.add(READ, index)
        time.sleep(2 * pause_s)
        yield result

    numbers = 1000 * partitions
    squares = sc.parallelize(range(numbers), partitions).mapPartitionsWithIndex(compute).cache()
    squares.count()
    first = trace.entries()
    show("First job: every partition is computed once and cached", first)

    held = {pid: {e.partition for e in first if e.pid == pid} for pid in {e.pid for e in first}}
    victim = max(held, key=lambda pid: (len(held[pid]), pid))
    if victim == os.getpid():
        raise SystemExit("this master computes in the driver: there is no executor to kill")
    killer = threading.Thread(target=kill_when_reading, args=(trace, victim, 60.0))
    killer.start()
    answer = squares.mapPartitionsWithIndex(read).sum()
    killer.join()

    everything = trace.entries()
    again = [e for e in everything[len(first) :] if e.phase == COMPUTED]
    show("Second job: where each partition was read", [e for e in everything if e.phase == READ])
    print(f"\nKilled pid {victim}, which held the partitions {sorted(held[victim])}")
    show("Computed again", again)
    recomputed = [e.partition for e in again]

    expected = sum(n * n for n in range(numbers))
    checks = {
        "the answer is the same": answer == expected,
        "something was computed again": bool(recomputed),
        "only partitions that were lost": set(recomputed) <= held[victim],
        "each of them once": len(set(recomputed)) == len(recomputed),
    }
    print()
    for check, holds in checks.items():
        print(f"  {'yes' if holds else 'NO '}  {check}")
    return all(checks.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--master", default="local[3]", help="default: %(default)s")
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.15, help="seconds per computed partition")
    args = parser.parse_args()

    with (
        tempfile.TemporaryDirectory(prefix="lineage-") as directory,
        SparkContext(master=args.master, appName="lineage recovery") as sc,
    ):
        path = Path(directory) / "trace"
        path.touch()
        is_recovered = run(sc, Trace(str(path)), args.partitions, args.pause)
    print("\nrecovered" if is_recovered else "\nNOT as promised")
    raise SystemExit(0 if is_recovered else 1)


if __name__ == "__main__":
    main()
