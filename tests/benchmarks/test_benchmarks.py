"""The benchmarks' own promises: answers are compared, and every workload has one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report, runner
from benchmarks.ideal import PROGRAMS
from benchmarks.model import canonical
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[2]


def test_every_workload_has_a_program_by_hand() -> None:
    assert WORKLOADS.keys() == PROGRAMS.keys()


def test_both_give_the_same_answers_and_a_report_is_made(tmp_path: Path) -> None:
    out, page = tmp_path / "results.json", tmp_path / "page.md"
    command = [sys.executable, "-m", "benchmarks"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = ["--engines", "minispark@local,ideal", "--scale", "0.002", "--rounds", "1"]
    ran = subprocess.run(
        [*command, "run", *options, "--out", str(out), *WORKLOADS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(out.read_text())["workloads"]
    assert found.keys() == WORKLOADS.keys()
    for name, row in found.items():
        assert row.keys() == {"minispark@local", "ideal"}
        for engine, result in row.items():
            assert "error" not in result, (name, engine, result)
            assert result["peak_bytes"] > 0
            assert all(len(samples) == 1 for samples in result["laps"].values())
    shown = [*command, "report", str(out), "--markdown", str(page)]
    subprocess.run(shown, cwd=ROOT, env=environment, check=True, capture_output=True)
    text = page.read_text()
    assert all(f"| {name}" in text for name in WORKLOADS)


def test_who_answers_differently_gets_no_time() -> None:
    assert runner.differing({"a": "1", "b": "1", "c": "2"}) == ["c"]
    assert runner.differing({"a": "1", "b": "2"}) == ["a", "b"], "nobody knows who is right"
    assert runner.differing({"a": "1", "b": "1"}) == []
    assert runner.differing({"a": "1"}) == []
    row = {"minispark": {"error": runner.DIFFERENT}, "ideal": {"error": runner.DIFFERENT}}
    assert report.disagree(row)
    assert not report.disagree({"minispark": {"laps": {}}, "dask": {"error": runner.DIFFERENT}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({1: 2, "a": [1.0]}, {"a": [1.0], 1: 2}),
        (0.1 + 0.2, 0.3),
        ((1, 2), [1, 2]),
        (np.float64(1.5), 1.5),
        ({3, 1, 2}, frozenset((1, 2, 3))),
    ],
)
def test_equal_answers(one: object, other: object) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [2, 1]),
        (1, "1"),
        (1, True),
        (1.0001, 1.0002),
        (list(range(100_000)), [*range(99_999), 0]),
        ({1: 2}, {1: 3}),
        (None, 0),
    ],
)
def test_different_answers(one: object, other: object) -> None:
    assert canonical(one) != canonical(other)
