"""PySpark's own example scripts give the same through `minispark run`.

The scripts are read from the installed package; see `test_differential` for the
environment variables.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("MINISPARK_PARITY_PYTHON") or (
    sys.executable if importlib.util.find_spec("pyspark") else None
)

pytestmark = [
    pytest.mark.pyspark,
    pytest.mark.skipif(PYTHON is None, reason="no Python with PySpark"),
]

PARALLELISM = "spark.default.parallelism=2"
#: Script, its input file's text, its other arguments.
SAME = [
    ("wordcount.py", "the cat\nthe dog and the cat\n\n", []),
    ("sort.py", "3 1 2\n1 10\n-4\n", []),
    ("kmeans.py", "0.0 0.0\n0.1 0.1\n9.0 9.0\n9.1 9.2\n5.0 4.0\n", ["2", "0.01"]),
    ("pagerank.py", "1 2\n1 3\n1 4\n2 1\n3 1\n4 1\n", ["3"]),
    ("transitive_closure.py", None, ["2"]),
]


def run(command: list[str], cwd: Path) -> list[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        # Else `transitive_closure` doubles its partitions in each round.
        "PYSPARK_SUBMIT_ARGS": f"--master local[2] --conf {PARALLELISM} pyspark-shell",
    }
    ran = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return sorted(ran.stdout.splitlines())


@pytest.fixture(scope="module")
def scripts() -> Path:
    assert PYTHON is not None
    code = "import os, pyspark; print(os.path.dirname(pyspark.__file__))"
    found = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip()) / "examples" / "src" / "main" / "python"


def ours(script: Path, arguments: list[str], cwd: Path) -> list[str]:
    flags = ["--master", "local-process[2]", "--conf", PARALLELISM]
    return run([sys.executable, "-m", "minispark", "run", *flags, str(script), *arguments], cwd)


@pytest.mark.parametrize(("name", "text", "arguments"), SAME, ids=[name for name, *_ in SAME])
def test_same_output(
    scripts: Path, tmp_path: Path, name: str, text: str | None, arguments: list[str]
) -> None:
    if text is not None:
        (tmp_path / "input.txt").write_text(text)
        arguments = ["input.txt", *arguments]
    assert PYTHON is not None
    theirs = run([PYTHON, str(scripts / name), *arguments], tmp_path)
    assert theirs
    assert ours(scripts / name, arguments, tmp_path) == theirs


def test_pi(scripts: Path, tmp_path: Path) -> None:
    [line] = ours(scripts / "pi.py", ["2"], tmp_path)
    assert 3.1 < float(line.removeprefix("Pi is roughly ")) < 3.2


def test_als(scripts: Path, tmp_path: Path) -> None:
    lines = ours(scripts / "als.py", ["20", "30", "3", "3", "2"], tmp_path)
    errors = [float(line.split()[-1]) for line in lines if line.startswith("RMSE")]
    assert len(errors) == 3
    assert all(error < 1 for error in errors)


def test_logistic_regression(scripts: Path, tmp_path: Path) -> None:
    rows = [[1 if n % 2 else -1, *(n % 7 + d for d in range(10))] for n in range(20)]
    (tmp_path / "points.txt").write_text("\n".join(" ".join(map(str, row)) for row in rows))
    lines = ours(scripts / "logistic_regression.py", ["points.txt", "2"], tmp_path)
    assert [line for line in lines if line.startswith("On iteration")] == [
        "On iteration 1",
        "On iteration 2",
    ]


@pytest.mark.slow
def test_status_api_demo(scripts: Path, tmp_path: Path) -> None:
    lines = ours(scripts / "status_api_demo.py", [], tmp_path)
    [result] = [line for line in lines if line.startswith("Job results are: ")]
    assert sorted(eval(result.partition(": ")[2])) == [(n, 1) for n in range(10)]
    assert any(line.startswith("Job 0 status:  RUNNING") for line in lines)
    assert any("10 tasks total (2 active" in line for line in lines)
