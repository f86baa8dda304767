"""Who runs when: engines take turns, and answers are compared before times count."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import touch_free_memory
from benchmarks.model import Workload
from benchmarks.session import Session

#: Seconds of one engine on one workload after which it gets no further round.
PATIENCE_S = 25.0

#: The error of an engine whose answer nobody believes.
DIFFERENT = "different answer"


def run_workload(
    workload: Workload,
    sessions: Sequence[Session],
    data: Path,
    scale: float,
    rounds: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """By engine: `laps` (name -> seconds per round), `cpu_s`, `peak_bytes`, or `error`.

    A first round warms up and is watched for memory; no time is taken from it.
    """
    results: dict[str, dict[str, Any]] = {}
    answers: dict[str, str] = {}
    spent: dict[str, float] = {}
    for session in sessions:
        name = session.engine.name
        reply = _ask(session, workload, data, scale, watch=True)
        if "error" in reply:
            results[name] = {"error": reply["error"]}
            say(f"  {name}: {reply['error']}")
            continue
        answers[name] = reply["answer"]
        results[name] = {"laps": {lap: [] for lap in reply["laps"]}}
        results[name]["cpu_s"] = []
        results[name]["peak_bytes"] = reply["peak_bytes"]
        spent[name] = 0.0
    for name in differing(answers):
        say(f"  {name}: DIFFERENT ANSWER {answers[name]}")
        results[name] = {"error": DIFFERENT, "answer": answers.pop(name)}
    for turn in range(rounds):
        for session in sessions:
            name = session.engine.name
            if name not in answers or (turn and spent[name] > PATIENCE_S):
                continue
            touch_free_memory()
            reply = _ask(session, workload, data, scale, watch=False)
            if reply.get("answer") != answers[name]:
                results[name] = {"error": reply.get("error", "another answer the second time")}
                del answers[name]
                continue
            results[name]["cpu_s"].append(reply["cpu_s"])
            for lap, seconds in reply["laps"].items():
                results[name]["laps"][lap].append(seconds)
                spent[name] += seconds
    for name in answers:
        medians = {lap: statistics.median(s) for lap, s in results[name]["laps"].items()}
        text = " ".join(f"{lap} {seconds:.3f} s".strip() for lap, seconds in medians.items())
        say(f"  {name}: {text}, {results[name]['peak_bytes'] / 1e6:.0f} MB")
    return results


def differing(answers: Mapping[str, str]) -> list[str]:
    """Engines whose answer is not that of most; all of them when there is no such answer."""
    if len(set(answers.values())) < 2:
        return []
    (common, most), (_, next_most), *_ = Counter(answers.values()).most_common()
    return [name for name, answer in answers.items() if answer != common or most == next_most]


def _ask(
    session: Session, workload: Workload, data: Path, scale: float, watch: bool
) -> dict[str, Any]:
    try:
        return session.run(workload, data, scale, watch)
    except (RuntimeError, OSError) as error:
        return {"error": str(error)}
