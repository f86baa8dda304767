"""What an application left behind: processes, threads, descriptors, files."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from pathlib import Path

_PATIENCE_S = 15.0


class Leftovers:
    """Compares what is there after `stop()` with what was there before the start."""

    def __init__(self, local_dir: str, marks: tuple[str, ...] = ("",)) -> None:
        self._local_dir = local_dir
        #: What the command line of a process has that counts: those of a cluster live on.
        self._marks = marks
        self._kept: Counter[str] = Counter()
        self._threads = set(threading.enumerate())
        self._descriptors = descriptors()
        #: Every process seen below this one: its id and when it started.
        self._processes: set[tuple[int, str]] = set()
        self._before = set(descendants(os.getpid()))

    def allow(self, kept: Counter[str]) -> None:
        """So many more descriptors are fine: what a library opens once and keeps."""
        self._kept = kept

    def watch(self) -> None:
        """Notes the processes that run now; they may lose their parent later."""
        found = set(descendants(os.getpid())) - self._before
        self._processes |= {(pid, started) for pid, started in found if started}

    def found(self, patience_s: float = _PATIENCE_S) -> list[str]:
        """What is still there after some patience, in words."""
        end = time.monotonic() + patience_s
        while (left := self._now()) and time.monotonic() < end:
            threading.Event().wait(0.1)
        return left

    def _now(self) -> list[str]:
        self.watch()
        left = [
            f"process {pid}: {command(pid)}"
            for pid, started in sorted(self._processes)
            if started_at(pid) == started and not is_zombie(pid) and self._counts(pid)
        ]
        left += [f"thread {t.name}" for t in threading.enumerate() if t not in self._threads]
        left += [
            f"file {os.path.join(folder, name)}"
            for folder, _, names in os.walk(self._local_dir)
            for name in names
            if name != ".lock"
        ]
        more = self.more_descriptors() - self._kept
        return left + [f"{count} descriptors of {kind}" for kind, count in sorted(more.items())]

    def _counts(self, pid: int) -> bool:
        return any(mark in command(pid) for mark in self._marks)

    def more_descriptors(self) -> Counter[str]:
        """The kinds of descriptors that are more than before."""
        return descriptors() - self._descriptors


def descriptors() -> Counter[str]:
    """What the descriptors of this process are open on, by kind."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # that of the listing itself
        found[re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", target)] += 1
    return found


def descendants(pid: int) -> list[tuple[int, str]]:
    """All processes below one, with the times they started at."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, stack = [], [pid]
    while stack:
        for child in children.get(stack.pop(), ()):
            found.append((child, started_at(child)))
            stack.append(child)
    return found


def _stat(pid: int) -> list[str]:
    """The fields of a process's status behind its name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def started_at(pid: int) -> str:
    """When a process started, in ticks since boot; empty if it is gone."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def is_zombie(pid: int) -> bool:
    """Whether a process ended and only its parent has not asked yet."""
    fields = _stat(pid)
    return bool(fields) and fields[0] == "Z"


def command(pid: int) -> str:
    """How a process was started."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200]
    except OSError:
        return "gone"
