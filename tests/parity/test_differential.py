"""Random programs give the same on minispark and on the real PySpark.

Needs a Python with PySpark and Java: this one, or the one that
`MINISPARK_PARITY_PYTHON` names. `MINISPARK_PARITY_EXAMPLES` sets the number of
programs. Results are compared as text: values, types, order and partitions.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import programs
import pytest
import strategies
from hypothesis import HealthCheck, given, note, settings

PYTHON = os.environ.get("MINISPARK_PARITY_PYTHON") or (
    sys.executable if importlib.util.find_spec("pyspark") else None
)
EXAMPLES = int(os.environ.get("MINISPARK_PARITY_EXAMPLES", "100"))

pytestmark = [
    pytest.mark.pyspark,
    pytest.mark.skipif(PYTHON is None, reason="no Python with PySpark"),
]


class RealPySpark:
    """The real PySpark in a process of its own."""

    def __init__(self, python: str) -> None:
        here = Path(__file__).parent
        self._process = subprocess.Popen(
            [python, str(here / "pyspark_server.py"), str(here.parent / "model")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )

    def run(self, program: Any, looks: Any) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((program, looks), self._process.stdin)
        self._process.stdin.flush()
        state, shown = pickle.load(self._process.stdout)
        assert state == "ok", shown
        return shown

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def real():
    server = RealPySpark(PYTHON)
    yield server
    server.close()


@pytest.fixture(scope="module")
def ours(open_context, engine):
    cloudpickle.register_pickle_by_value(programs)
    with open_context("local") as sc:
        yield programs.Engine(sc, engine.StorageLevel)
    cloudpickle.unregister_pickle_by_value(programs)


@pytest.mark.own_context
def test_random_programs_agree(ours, real, without_time_limit):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.programs())
    def check(drawn):
        program, looks = drawn
        for index, instruction in enumerate(program):
            note(f"{index}: {instruction}")
        theirs, mine = real.run(program, looks), ours.run(program, looks)
        for look, one, other in zip(looks, mine, theirs, strict=True):
            assert one == other, look

    check()
