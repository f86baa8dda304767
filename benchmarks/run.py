"""Times the workloads on minispark and, where it is given, on PySpark.

    python benchmarks/run.py [--pyspark /path/to/python] [--scale 1] [WORKLOAD ...]

Each engine runs in a process of its own, in the Python it is installed in; the
engines take turns, workload by workload, so that both see the same machine. A
workload runs once to warm up, then `--repeat` times; the best time counts.
Different answers are an error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def serve(engine: str, master: str, data: Path, scale: float, repeat: int) -> None:
    """The child: reads names of workloads from stdin, answers with JSON lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints must not mix with the answers
    started = time.perf_counter()
    if engine == "pyspark":
        from pyspark import SparkContext
    else:
        from minispark import SparkContext
    from workloads import WORKLOADS

    with SparkContext(master=master, appName="benchmarks") as sc:
        sc.parallelize([1], 1).count()
        ready = time.perf_counter() - started
        print(json.dumps({"seconds": ready, "answer": None}), file=answers, flush=True)
        for line in sys.stdin:
            workload = WORKLOADS[line.strip()]
            best, answer = float("inf"), None
            for turn in range(repeat + 1):
                began = time.perf_counter()
                answer = workload(sc, data, scale)
                if turn:
                    best = min(best, time.perf_counter() - began)
            result = {"seconds": best, "answer": repr(answer)}
            print(json.dumps(result), file=answers, flush=True)


class Engine:
    """One engine in a process of its own."""

    def __init__(self, name: str, python: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            [python, str(HERE / "run.py"), "--serve", name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={
                **os.environ,
                "PYSPARK_PYTHON": python,
                "PYTHONHASHSEED": "0",
                # Tasks import the workloads, too.
                "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
            },
        )
        self.start_s = self._receive()["seconds"]

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended: see {self._log.name}")
        result: dict[str, Any] = json.loads(line)
        return result

    def run(self, workload: str) -> dict[str, Any]:
        """Seconds and answer of one workload."""
        assert self._process.stdin is not None
        print(workload, file=self._process.stdin, flush=True)
        return self._receive()

    def close(self) -> None:
        """Ends the engine."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._log.close()


def compare(engines: list[Engine], names: list[str]) -> bool:
    """Prints the table; whether all answers agree."""
    agree = True
    print(f"{'':<14}" + "".join(f"{engine.name:>12}" for engine in engines) + f"{'ratio':>9}")
    print(f"{'start':<14}" + "".join(f"{engine.start_s:>11.2f}s" for engine in engines))
    for name in names:
        results = [engine.run(name) for engine in engines]
        times = [result["seconds"] for result in results]
        row = f"{name:<14}" + "".join(f"{seconds:>11.3f}s" for seconds in times)
        if len(times) == 2:
            row += f"{times[1] / times[0]:>8.1f}x"
            if results[0]["answer"] != results[1]["answer"]:
                agree = False
                row += "  DIFFERENT ANSWERS: " + " / ".join(r["answer"][:80] for r in results)
        print(row, flush=True)
    return agree


def main() -> None:
    sys.path.insert(0, str(HERE))
    from workloads import WORKLOADS, make_data

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("workloads", nargs="*", help=f"default all of: {', '.join(WORKLOADS)}")
    parser.add_argument("--pyspark", help="a Python that has PySpark")
    parser.add_argument("--only-pyspark", action="store_true", help="do not run minispark")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.master, args.data, args.scale, args.repeat)
        return
    names = args.workloads or list(WORKLOADS)
    if unknown := set(names) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    if args.only_pyspark and not args.pyspark:
        parser.error("--only-pyspark needs --pyspark")

    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        data = Path(scratch) / "data"
        make_data(data, args.scale)
        passed = ["--data", str(data), "--master", args.master]
        passed += ["--scale", str(args.scale), "--repeat", str(args.repeat)]
        logs = HERE.parent / "build" / "benchmarks"
        logs.mkdir(parents=True, exist_ok=True)
        engines = []
        try:
            if not args.only_pyspark:
                engines.append(Engine("minispark", sys.executable, passed, logs / "minispark.log"))
            if args.pyspark:
                engines.append(Engine("pyspark", args.pyspark, passed, logs / "pyspark.log"))
            agree = compare(engines, names)
        finally:
            for engine in engines:
                engine.close()
    raise SystemExit(0 if agree else 1)


if __name__ == "__main__":
    main()
