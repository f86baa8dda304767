"""The command: runs workloads on engines, keeps results as JSON, prints tables.

python -m benchmarks run [--engines minispark,pyspark,ideal] [--scale 0.1] [WORKLOAD ...]
python -m benchmarks report [--markdown docs/benchmarks.md] [RESULT.json ...]
python -m benchmarks scale [--master local[2]] [--scale 0.1]
python -m benchmarks memory [--master local-process[2]] [--memory 25m] [--scale 1] [WORD ...]
python -m benchmarks profile WORKLOAD [--scale 0.1]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import data, peers, profiling, report, runner, scaling, startup
from benchmarks.engines import ROOT
from benchmarks.machine import describe_machine, load
from benchmarks.session import Session
from benchmarks.workloads import WORKLOADS

BUILD = ROOT / "build" / "bench"


def say(text: str) -> None:
    """Progress, beside the tables on stdout."""
    print(text, file=sys.stderr, flush=True)


def _command(args: argparse.Namespace) -> str:
    """What another one types for the same run; where this one keeps its results is left out."""
    words = ["--engines", args.engines, "--scale", f"{args.scale:g}", "--rounds", str(args.rounds)]
    return " ".join(["python -m benchmarks run", *words, *args.workloads])


def run(args: argparse.Namespace) -> int:
    """Runs and keeps; 1 when an engine answered differently."""
    chosen = args.workloads or [*WORKLOADS, "startup"]
    if unknown := set(chosen) - {*WORKLOADS, "startup"}:
        raise SystemExit(f"no such workload: {', '.join(sorted(unknown))}")
    engines = [peers.engine(name, ROOT / "build") for name in args.engines.split(",") if name]
    directory = data.prepare(BUILD / "data", args.scale)
    sessions = [Session(engine, BUILD / "logs") for engine in engines]
    # Contexts are shared by settings, so those with other settings come last.
    names = sorted((w for w in chosen if w in WORKLOADS), key=lambda w: WORKLOADS[w].profile)
    results: dict[str, Any] = {"workloads": {}, "scale": args.scale}
    results["machine"] = describe_machine()
    results["command"] = _command(args)
    out = args.out or BUILD / "results" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    out.parent.mkdir(parents=True, exist_ok=True)

    def keep() -> None:
        results["load"] = max(results.get("load", 0.0), load())
        results["versions"] = {s.engine.name: s.version for s in sessions if s.version}
        out.write_text(json.dumps(results, indent=1))

    try:
        for name in names:
            say(f"{name}: {WORKLOADS[name].about}")
            results["workloads"][name] = runner.run_workload(
                WORKLOADS[name], sessions, directory, args.scale, args.rounds, say
            )
            keep()
    finally:
        for session in sessions:
            session.close()
    if "startup" in chosen:
        say("startup: whole processes")
        results["startup"] = startup.measure(engines, args.rounds, BUILD / "logs", say)
    keep()
    print(report.text([results]))
    wrong = [n for n, row in results["workloads"].items() if report.disagree(row)]
    if wrong:
        say(f"different answers: {', '.join(wrong)}")
    return 1 if wrong else 0


def scale(args: argparse.Namespace) -> int:
    """Whether cost grows in proportion."""
    from minispark import SparkContext

    with SparkContext(args.master, "scaling") as sc:
        found = scaling.measure(sc, args.scale, args.rounds, say)
    print(scaling.markdown(found), end="")
    return 0


def memory(args: argparse.Namespace) -> int:
    """What executors take beyond idle when they spill."""
    from benchmarks import footprint

    rows = footprint.measure(args.master, args.memory, args.scale, args.jobs, say, args.words)
    print(f"| {args.master}, `spark.executor.memory={args.memory}` | MB beyond idle |\n|---|---|")
    for name, num_bytes in rows:
        print(f"| {name} | {num_bytes / footprint.MB:.1f} |")
    return 0


def profile(args: argparse.Namespace) -> int:
    """Where the time of workloads goes."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # As executors run, where strings are placed by their `hash`.
        seeded = {**os.environ, "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], seeded)
    directory = data.prepare(BUILD / "data", args.scale)
    for name in args.workloads:
        print(f"scale {args.scale:g}, one process")
        print(profiling.profile(WORKLOADS[name], directory, args.scale))
    return 0


def show(args: argparse.Namespace) -> int:
    """Tables of results kept before."""
    files = args.results or sorted((BUILD / "results").glob("*.json"))
    if not files:
        raise SystemExit(f"no results in {BUILD / 'results'}")
    results = [json.loads(file.read_text()) for file in files]
    if args.markdown:
        args.markdown.write_text(report.markdown(results))
    print(report.text(results))
    return 0


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="minispark's benchmarks")
    commands = parser.add_subparsers(required=True)
    ran = commands.add_parser("run", help="run workloads")
    ran.add_argument("workloads", nargs="*", help=f"of: {', '.join(WORKLOADS)}, startup")
    ran.add_argument("--engines", default="minispark", help="by name, with commas")
    ran.add_argument("--scale", type=float, default=1.0, help="of the data; 0.1 is quick")
    ran.add_argument("--rounds", type=int, default=3, help="timed, after one to warm up")
    ran.add_argument("--out", type=Path, help="the file for the results")
    ran.set_defaults(do=run)
    shown = commands.add_parser("report", help="make tables of results")
    shown.add_argument("results", nargs="*", type=Path, help="default: all under build/")
    shown.add_argument("--markdown", type=Path, help="also write a page")
    shown.set_defaults(do=show)
    scaled = commands.add_parser("scale", help="measure how cost grows")
    scaled.add_argument("--master", default="local[2]")
    scaled.add_argument("--scale", type=float, default=0.1, help="of the smallest data")
    scaled.add_argument("--rounds", type=int, default=3)
    scaled.set_defaults(do=scale)
    taken = commands.add_parser("memory", help="measure what executors take when they spill")
    taken.add_argument("words", nargs="*", help="only programs whose names have one of these")
    taken.add_argument("--master", default="local-process[2]")
    taken.add_argument("--memory", default="25m", help="spark.executor.memory")
    taken.add_argument("--scale", type=float, default=1.0)
    taken.add_argument("--jobs", type=int, default=2, help="how often each program runs")
    taken.set_defaults(do=memory)
    profiled = commands.add_parser("profile", help="see where the time goes")
    profiled.add_argument("workloads", nargs="+", choices=WORKLOADS, metavar="WORKLOAD")
    profiled.add_argument("--scale", type=float, default=0.1)
    profiled.set_defaults(do=profile)
    args = parser.parse_args()
    result: int = args.do(args)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
