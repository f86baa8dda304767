"""The memory and the processor time of a process and all its descendants, from outside.

Pages that several processes share count once, in parts (PSS), where the system
tells; else they count in each.
"""

from __future__ import annotations

import contextlib
import threading

import psutil


def memory_of(pid: int) -> int:
    """Bytes the tree has in memory now."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                info = process.memory_full_info()
                total += getattr(info, "pss", info.rss)
    return total


def cpu_of(pid: int) -> float:
    """Seconds of processor time the tree has used, with its processes that have ended."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
                total += times.children_user + times.children_system
    return total


class PeakMemory:
    """Samples a tree from `start` to `stop`, which returns the peak."""

    def __init__(self, pid: int, interval_s: float = 0.1) -> None:
        self._pid = pid
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._run, name="peak-memory")

    def start(self) -> None:
        """Begins to sample."""
        self._thread.start()

    def stop(self) -> int:
        """The largest sample."""
        self._stopped.set()
        self._thread.join()
        return self._peak

    def _run(self) -> None:
        while True:
            self._peak = max(self._peak, memory_of(self._pid))
            if self._stopped.wait(self._interval_s):
                return
