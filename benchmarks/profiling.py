"""Where the time of a workload goes: everything in one process, under the profiler."""

from __future__ import annotations

import cProfile
import io
import pstats
import time
from pathlib import Path

from benchmarks.engines import SETTINGS, open_context
from benchmarks.model import Workload


def profile(workload: Workload, data: Path, scale: float, lines: int = 25) -> str:
    """The functions that take most of the time on master `local`, tasks included."""
    # Processor time: what else the machine does must not look like ours.
    profiler = cProfile.Profile(time.thread_time)
    with open_context("minispark", "local", SETTINGS[workload.profile]["minispark"]) as sc:
        workload.function(sc, data, scale)
        profiler.enable()
        workload.function(sc, data, scale)
        profiler.disable()
    out = io.StringIO()
    pstats.Stats(profiler, stream=out).strip_dirs().sort_stats("tottime").print_stats(lines)
    return out.getvalue()
