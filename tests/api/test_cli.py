"""The command `minispark`, run as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import minispark

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minispark.cli", *arguments],
        input=typed,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_version() -> None:
    assert run("version").stdout.strip() == minispark.__version__


def test_shell_has_a_context() -> None:
    ran = run("shell", "--master", "local", typed="sc.range(5).map(lambda x: x * x).sum()\n")
    assert ran.returncode == 0, ran.stderr
    assert "30" in ran.stdout
    assert "master local" in ran.stderr


def test_shell_ships_what_is_defined_in_it() -> None:
    typed = "def double(x): return 2 * x\n\nsc.range(3).map(double).collect()\n"
    ran = run("shell", "--master", "local-process[1]", typed=typed)
    assert "[0, 2, 4]" in ran.stdout, ran.stderr


def test_unknown_command() -> None:
    ran = run("dance")
    assert ran.returncode == 2
    assert "dance" in ran.stderr
