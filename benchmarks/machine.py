"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

import psutil


def load() -> float:
    """Processes that want a core, on average over the last five minutes."""
    return os.getloadavg()[1] if hasattr(os, "getloadavg") else 0.0


def touch_free_memory(num_bytes: int = 256 << 20) -> None:
    """Writes a file and removes it, so that the next to write one finds memory for it.

    A virtual machine gives pages that were free for a while back to its host. Whoever uses
    one first then waits for the host: 2.5 ms per MB were seen, six times what it takes to
    fill it, and it hits whichever engine happens to be the one.
    """
    chunk = bytes(1 << 20)
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(num_bytes // len(chunk)):
            file.write(chunk)


def describe_machine() -> str:
    """Processor, cores, memory, system and Python, in a line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    python = sys.version.split()[0]
    return f"{model}, {cores} cores, {memory:.0f} GB, {platform.system()}, Python {python}"
