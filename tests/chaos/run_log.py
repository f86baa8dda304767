"""A log of what tasks did, kept in a file so that it outlives executors."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from minispark import TaskContext


class Run(NamedTuple):
    """One run of one partition."""

    name: str
    attempt: int
    pid: int


class RunLog:
    """An append-only file in which tasks note that they ran."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def note(self, *words: Any) -> None:
        """Called in a task: one atomic line."""
        line = " ".join(map(str, (*words, os.getpid()))) + "\n"
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)

    def lines(self) -> list[tuple[str, ...]]:
        """What was noted, oldest first; the last word is the process."""
        if not os.path.exists(self.path):
            return []
        return [tuple(line.split()) for line in Path(self.path).read_text().splitlines()]

    def ran(self, stage: str, partition: int) -> None:
        """Called in a task: this attempt of the partition runs, here."""
        context = TaskContext.get()
        assert context is not None
        self.note(f"{stage}-{partition}", context.attemptNumber())

    def runs(self, stage: str) -> list[Run]:
        """What `ran` noted for a stage, oldest first."""
        lines = [line for line in self.lines() if line[0].rpartition("-")[0] == stage]
        return [Run(line[0], int(line[1]), int(line[2])) for line in lines]

    def counts(self, stage: str | None = None) -> Counter[str]:
        """How often each first word was noted; only those of `ran` for a stage."""
        if stage is not None:
            return Counter(run.name for run in self.runs(stage))
        return Counter(line[0] for line in self.lines())

    def pids(self) -> dict[str, int]:
        """The process that noted each first word last."""
        return {line[0]: int(line[-1]) for line in self.lines()}

    def clear(self) -> None:
        """Forgets everything."""
        Path(self.path).unlink(missing_ok=True)

    def first_time(self, name: str) -> bool:
        """Called in a task: true for exactly one caller per name."""
        try:
            os.close(os.open(f"{self.path}.{name}", os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True

    def die_once(self, name: str) -> None:
        """Called in a task: kills the executor, the first time only."""
        if self.first_time(name):
            os.kill(os.getpid(), signal.SIGKILL)


def executor_pids(sc: Any, num: int = 2) -> set[int]:
    """The processes of the executors, once `num` of them have registered."""
    members = sc._engine.driver.members
    patience = threading.Event()
    for _ in range(1200):
        with members._lock:
            pids = {link.pid for link in members.links.values()}
        if len(pids) >= num:
            return pids
        patience.wait(0.05)
    raise AssertionError(f"only {len(pids)} of {num} executors registered")


def files_below(path: str) -> list[str]:
    """All files below a directory, relative to it."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), path)
        for folder, _, names in os.walk(path)
        for name in names
    )
