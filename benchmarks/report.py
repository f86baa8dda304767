"""Tables: a terminal's and a page's, of one or more runs' results."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.engines import SETTINGS
from benchmarks.runner import DIFFERENT
from benchmarks.workloads import WORKLOADS

Results = Sequence[Mapping[str, Any]]


def disagree(row: Mapping[str, Any]) -> bool:
    """Whether minispark's answer to a workload is not that of the others."""
    return any(
        result.get("error") == DIFFERENT
        for engine, result in row.items()
        if engine.startswith("minispark")
    )


class Row:
    """One line: by engine the median of all rounds of all runs, in seconds."""

    def __init__(self, name: str, about: str, runs: Sequence[Mapping[str, Any]], lap: str) -> None:
        self.name = name
        self.about = about
        self.seconds: dict[str, float] = {}
        #: Processor time of the whole tree, over all laps and jobs.
        self.cpu: dict[str, float] = {}
        self.peak: dict[str, int] = {}
        self.errors: dict[str, str] = {}
        times: dict[str, list[float]] = {}
        cpu: dict[str, list[float]] = {}
        for run in runs:
            for engine, result in run.items():
                if "error" in result:
                    self.errors[engine] = result["error"]
                elif lap in result["laps"]:
                    times.setdefault(engine, []).extend(result["laps"][lap])
                    cpu.setdefault(engine, []).extend(result["cpu_s"])
                    self.peak[engine] = max(self.peak.get(engine, 0), result["peak_bytes"])
        for engine, samples in times.items():
            self.seconds[engine] = statistics.median(samples)
            self.cpu[engine] = statistics.median(cpu[engine])

    def ratio(self, engine: str, base: str) -> float | None:
        """How many times as long `engine` took as `base`."""
        if engine in self.seconds and base in self.seconds:
            return self.seconds[engine] / self.seconds[base]
        return None

    def cpu_ratio(self, engine: str, base: str) -> float | None:
        """The same by processor time, which is counted in hundredths of a second."""
        if self.cpu.get(engine) and self.cpu.get(base):
            return self.cpu[engine] / self.cpu[base]
        return None


def rows(results: Results) -> list[Row]:
    """All lines, in the order of the workloads."""
    found = []
    for name, workload in WORKLOADS.items():
        # Runs of one size only: the largest there is.
        having = [r for r in results if name in r["workloads"]]
        scale = max((r["scale"] for r in having), default=1.0)
        runs = [r["workloads"][name] for r in having if r["scale"] == scale]
        laps = {
            lap: None
            for run in runs
            for result in run.values()
            for lap in result.get("laps", {"": None})
        }
        if len(laps) > 1:
            laps.pop("", None)
        for lap in laps:
            title = f"{name} {lap}".strip()
            row = Row(title if scale == 1 else f"{title} × {scale:g}", workload.about, runs, lap)
            if workload.jobs is not None:
                jobs = workload.jobs(scale)
                row.seconds = {engine: s / jobs for engine, s in row.seconds.items()}
            found.append(row)
    return found


def engines(results: Results) -> list[str]:
    """Names, in order of appearance."""
    return list({name: None for r in results for row in r["workloads"].values() for name in row})


def geometric_mean(values: Sequence[float]) -> float:
    """The mean of ratios."""
    return math.exp(statistics.fmean(map(math.log, values)))


def seconds(value: float) -> str:
    """A time as one reads it."""
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.0f} ms" if value >= 0.01 else f"{value * 1e3:.2f} ms"


def cells(row: Row, names: Sequence[str]) -> list[str]:
    """The line's times, each peer's with its ratio to the first engine."""
    found = []
    for name in names:
        if name not in row.seconds:
            found.append("–" if name in row.errors else "")
            continue
        ratio = row.ratio(name, names[0]) if name != names[0] else None
        found.append(seconds(row.seconds[name]) + (f" ({ratio:.2f}×)" if ratio else ""))
    return found


def cpu_cells(row: Row, names: Sequence[str]) -> list[str]:
    """The line's processor times, each peer's with its ratio to the first engine."""
    found = []
    for name in names:
        ratio = row.cpu_ratio(name, names[0]) if name != names[0] else None
        shown = f"{row.cpu[name]:.2f}" if name in row.cpu else ""
        found.append(shown + (f" ({ratio:.2f}×)" if ratio else ""))
    return found


def memory_cells(row: Row, names: Sequence[str]) -> list[str]:
    """The peaks of the line, in MB."""
    return [f"{row.peak[name] / 1e6:.0f}" if name in row.peak else "" for name in names]


def means(
    table: Sequence[Row], names: Sequence[str], of: Callable[[Row, str, str], float | None]
) -> list[str]:
    """Geometric means of the ratios to the first engine."""
    found = []
    for name in names[1:]:
        ratios = [ratio for row in table if (ratio := of(row, name, names[0])) is not None]
        found.append(f"{geometric_mean(ratios):.2f}× (least {min(ratios):.2f}×)" if ratios else "")
    return found


def text(results: Results) -> str:
    """For a terminal."""
    names = engines(results)
    lines = [["", *names, *(f"{name} MB" for name in names), *(f"{n} cpu s" for n in names)]]
    table = rows(results)
    for row in table:
        lines += [[row.name, *cells(row, names), *memory_cells(row, names), *cpu_cells(row, names)]]
    if len(names) > 1 and table:
        memory = ["" for _ in names]
        wall, cpu = means(table, names, Row.ratio), means(table, names, Row.cpu_ratio)
        lines.append(["geometric mean", "", *wall, *memory, "", *cpu])
    widths = [max(map(len, column)) for column in zip(*lines)]
    out = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in lines]
    out += [f"{name}: first result {f}, whole {w}" for name, f, w, _ in startup_rows(results)]
    return "\n".join(line.rstrip() for line in out)


def startup_rows(results: Results) -> list[tuple[str, str, str, str]]:
    """(name, seconds to the first result, seconds of the whole process, MB)."""
    runs = [r["startup"] for r in results if "startup" in r]
    found = []
    for name in {name: None for run in runs for name in run}:
        mine = [run[name] for run in runs if name in run]
        first = statistics.median([s for run in mine for s in run["first"]])
        whole = statistics.median([s for run in mine for s in run["whole"]])
        peak = max(run["peak_bytes"] for run in mine)
        found.append((name, f"{first:.2f} s", f"{whole:.2f} s", f"{peak / 1e6:.0f}"))
    return found


def markdown(results: Results) -> str:
    """A page: what was measured where, and the tables."""
    names = engines(results)
    table = rows(results)
    versions = {k: v for r in results for k, v in r["versions"].items()}
    out = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks report --markdown`; what the workloads are and how",
        "they are run is in [benchmarks/README.md](../benchmarks/README.md), where the time goes",
        "in [performance.md](performance.md).",
        "",
        f"- Machine: {results[-1]['machine']}.",
        f"- Versions: {'; '.join(f'{k}: {v}' for k, v in versions.items())}.",
        f"- Runs: {len(results)}; commands: "
        + "; ".join({f"`{r['command']}`": None for r in results})
        + ".",
        "- Sizes in the table are those of scale 1; `× 0.1` behind a name means a tenth of them.",
        f"- Load of the machine (processes that want a core): up to "
        f"{max(r.get('load', 0.0) for r in results):.0f}.",
        "- Times are medians of all rounds; in brackets how many times as long as",
        f"  {names[0]}. Engines took turns, their answers were equal. A first round, which is not",
        "  timed, gives the memory: the peak of the whole process tree (shared pages once).",
        "- Processor time is that of the whole tree for a whole run (all laps, all jobs). Other",
        "  work on the machine changes it little, and times much.",
        *(
            f"- Settings of `{profile}`: "
            + "; ".join(
                f"{kind}: " + (", ".join(f"`{k}={v}`" for k, v in of.items()) or "defaults")
                for kind, of in by_kind.items()
            )
            + "."
            for profile, by_kind in SETTINGS.items()
        ),
        "",
        "| workload | "
        + " | ".join(names)
        + " | processor s: "
        + " / ".join(names)
        + " | memory, MB: "
        + " / ".join(names)
        + " |",
        "|---" * (len(names) + 3) + "|",
    ]
    for row in table:
        memory = " / ".join(memory_cells(row, names))
        cpu = " / ".join(cpu_cells(row, names))
        times = " | ".join(cells(row, names))
        out.append(f"| {row.name}: {row.about} | {times} | {cpu} | {memory} |")
    if len(names) > 1 and table:
        wall, cpu_means = means(table, names, Row.ratio), means(table, names, Row.cpu_ratio)
        out.append(f"| geometric mean | | {' | '.join(wall)} | {' / '.join(cpu_means)} | |")
    started = startup_rows(results)
    if started:
        out += [
            "",
            "| start-up, whole process | first result | end | memory, MB |",
            "|---" * 4 + "|",
        ]
        out += [f"| {' | '.join(row)} |" for row in started]
    reasons = [
        f"- {row.name}, {engine}: {error}" for row in table for engine, error in row.errors.items()
    ]
    if reasons:
        out += ["", "Not run (–):", "", *reasons]
    return "\n".join(out) + "\n"
