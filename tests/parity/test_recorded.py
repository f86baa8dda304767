"""PySpark still answers the probes of `tests/semantics` as it is recorded there.

See `test_differential` for the environment variables.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = os.environ.get("MINISPARK_PARITY_PYTHON") or (
    sys.executable if importlib.util.find_spec("pyspark") else None
)
SEMANTICS = Path(__file__).resolve().parents[1] / "semantics"

_NUMBER = re.compile(r"RDD\[\d+\]")

pytestmark = [
    pytest.mark.pyspark,
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON is None, reason="no Python with PySpark"),
]


def test_recorded_answers_are_pysparks(without_time_limit: None) -> None:
    assert PYTHON is not None
    ran = subprocess.run(
        [PYTHON, str(SEMANTICS / "probes.py")],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    recorded = (SEMANTICS / "recorded.json").read_text(encoding="utf-8")
    # Which number an RDD has depends on how many Spark made for the probes before.
    said, recorded = (_NUMBER.sub("RDD[…]", text) for text in (ran.stdout, recorded))
    assert json.loads(said) == json.loads(recorded)
