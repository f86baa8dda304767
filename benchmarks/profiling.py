"""Where the time of a workload goes: in one process, looked at a thousand times a second.

By samples of processor time, not by a profiler that counts calls: that one makes every
call of a C function dearer than it is, and functions that stand in a stage's loop are
called while it is on.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks.engines import SETTINGS, open_context
from benchmarks.model import Workload

_INTERVAL = 0.001
#: The workload is run again until there are so many samples, but not for ever.
_ENOUGH = 1_000
_MAX_RUNS = 50


class _Samples:
    """How often a function was running, and how often it or what it called."""

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def take(self, _signal: int, frame: FrameType | None) -> None:
        """Notes where the main thread is."""
        names = []
        while frame is not None:
            code = frame.f_code
            names.append(f"{os.path.basename(code.co_filename)}: {code.co_name}")
            frame = frame.f_back
        self.own.update(names[:1])
        self.total.update(set(names))

    @contextmanager
    def while_running(self) -> Iterator[None]:
        """Samples what the block does."""
        before = signal.signal(signal.SIGPROF, self.take)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def text(self, lines: int) -> str:
        """Both lists, in parts of all samples."""
        number = max(1, self.own.total())
        shown = [f"{number} samples", "", "own time"]
        shown += [f"{n / number:7.1%}  {name}" for name, n in self.own.most_common(lines)]
        shown += ["", "with what they call"]
        shown += [f"{n / number:7.1%}  {name}" for name, n in self.total.most_common(2 * lines)]
        return "\n".join(shown)


def profile(workload: Workload, data: Path, scale: float, lines: int = 25) -> str:
    """The functions that take most of the time on master `local`, tasks included."""
    samples = _Samples()
    with open_context("minispark", "local", SETTINGS[workload.profile]["minispark"]) as sc:
        workload.function(sc, data, scale)
        for _ in range(_MAX_RUNS):
            with samples.while_running():
                workload.function(sc, data, scale)
            if samples.own.total() >= _ENOUGH:
                break
    return f"{workload.name}: {samples.text(lines)}\n"
