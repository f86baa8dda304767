"""Start-up to the first result, as whole processes; engines take turns.

Beside the engines, `ray` is what Ray and two actors cost by themselves, and
`minispark_again` a second context in the same process.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.engines import ROOT, Engine
from benchmarks.tree import PeakMemory

_CONTEXT = """
from {module} import SparkContext
sc = SparkContext("{master}", "start")
print(sc.parallelize(range(100), 2).map(lambda x: x + 1).sum(), flush=True)
sc.stop()
"""
_IDEAL = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(sum(pool.map(int(1).__add__, range(100), 50)), flush=True)
"""
_RAY = """
import ray
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
         logging_level="ERROR")
class Half:
    def add(self, numbers):
        return sum(x + 1 for x in numbers)
halves = [ray.remote(Half).remote() for _ in range(2)]
print(sum(ray.get([a.add.remote(range(50 * i, 50 * i + 50)) for i, a in enumerate(halves)])),
      flush=True)
ray.shutdown()
"""
_AGAIN = """
import sys, time
from minispark import SparkContext
with SparkContext("{master}", "first") as sc:
    sc.parallelize(range(100), 2).sum()
began = time.perf_counter()
with SparkContext("{master}", "second") as sc:
    print(sc.parallelize(range(100), 2).map(lambda x: x + 1).sum(), flush=True)
    print(time.perf_counter() - began, file=sys.stderr)
"""


def scripts(engines: Sequence[Engine]) -> dict[str, tuple[Engine, str]]:
    """The scripts to time, by the name of the row."""
    found: dict[str, tuple[Engine, str]] = {}
    for engine in engines:
        if engine.kind in ("minispark", "pyspark"):
            text = _CONTEXT.format(module=engine.kind, master=engine.master)
            found[f"{engine.kind} {engine.master}"] = engine, text
        elif engine.kind == "ideal":
            found["ideal (a pool of two)"] = engine, _IDEAL
    for engine in engines:
        if engine.kind == "minispark":
            for master in ("local", "local-process[2]"):
                text = _CONTEXT.format(module="minispark", master=master)
                found[f"minispark {master}"] = engine, text
            found["ray and two actors"] = engine, _RAY
            found["minispark local[2], second context"] = engine, _AGAIN.format(master="local[2]")
            break
    return found


def measure(
    engines: Sequence[Engine], rounds: int, logs: Path, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """By row: `first` and `whole` (seconds per round) and `peak_bytes`."""
    rows: dict[str, dict[str, Any]] = {}
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "startup.log").open("ab") as log:
        for turn in range(rounds + 1):
            for name, (engine, text) in scripts(engines).items():
                first, whole, peak = _run(engine, text, log, watch=turn == 0)
                row = rows.setdefault(name, {"first": [], "whole": [], "peak_bytes": 0})
                if turn == 0:  # warms the file cache up and is watched
                    row["peak_bytes"] = peak
                else:
                    row["first"].append(first)
                    row["whole"].append(whole)
    for name, row in rows.items():
        say(f"  {name}: first result {min(row['first']):.2f} s, whole {min(row['whole']):.2f} s")
    return rows


def _run(engine: Engine, text: str, log: Any, watch: bool) -> tuple[float, float, int]:
    is_second = "second" in text
    began = time.perf_counter()
    process = subprocess.Popen(
        [engine.python, "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if is_second else log,
        text=True,
        env=engine.environment(),
        cwd=ROOT,
    )
    peak = PeakMemory(process.pid) if watch else None
    if peak is not None:
        peak.start()
    assert process.stdout is not None
    answer = process.stdout.readline().strip()
    first = time.perf_counter() - began
    _, errors = process.communicate()
    whole = time.perf_counter() - began
    peak_bytes = peak.stop() if peak is not None else 0
    if answer != "5050" or process.returncode != 0:
        raise SystemExit(f"{engine.name}: {answer!r}, exit code {process.returncode}: {errors}")
    if is_second:
        first = float(errors.split()[-1])
    return first, whole, peak_bytes
