"""Every public name of PySpark's core is here, with its parameters and defaults.

Introspection on both sides; nothing of PySpark is copied. What differs is
listed with its reason, and the list may not hold more than what differs. See
`test_differential` for the environment variables.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("MINISPARK_PARITY_PYTHON") or (
    sys.executable if importlib.util.find_spec("pyspark") else None
)

pytestmark = [
    pytest.mark.pyspark,
    pytest.mark.skipif(PYTHON is None, reason="no Python with PySpark"),
]

_PATH = Path(__file__).with_name("names.py")
_spec = importlib.util.spec_from_file_location("parity_names", _PATH)
assert _spec is not None
assert _spec.loader is not None
names = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(names)

#: Where minispark keeps what PySpark has in a module of its own.
PLACES = {
    "resource": "",
    "resultiterable": "kernels.resultiterable",
    "statcounter": "kernels.statcounter",
}

_MADE_BY_THE_ENGINE = "users never call the constructor; its parameters are the JVM's handles"
#: (class, name) -> why it differs; `()` is the constructor.
DIFFERENT: dict[tuple[str, str], str] = {
    ("SparkContext", "()"): "serializer and profiler classes default to None: there is one each",
    ("SparkContext", "cancelJobGroup"): "takes a reason as well, which newer versions have",
    ("SparkContext", "cancelJobsWithTag"): "takes a reason as well, which newer versions have",
    ("SparkConf", "()"): "a private parameter more",
    ("RDD", "()"): _MADE_BY_THE_ENGINE,
    ("Broadcast", "()"): _MADE_BY_THE_ENGINE,
    ("TaskContext", "()"): _MADE_BY_THE_ENGINE,
    ("TaskContext", "from_json"): "how PySpark's worker is told by the JVM",
    ("BarrierTaskContext", "()"): _MADE_BY_THE_ENGINE,
    ("BarrierTaskContext", "from_json"): "how PySpark's worker is told by the JVM",
}


@pytest.fixture(scope="module")
def theirs() -> dict[str, dict[str, Any]]:
    assert PYTHON is not None
    ran = subprocess.run(
        [PYTHON, str(_PATH), "pyspark"], capture_output=True, text=True, check=True
    )
    found: dict[str, dict[str, Any]] = json.loads(ran.stdout)
    assert len(found) > 25
    return found


def test_names_parameters_and_defaults(theirs: dict[str, dict[str, Any]]) -> None:
    ours = names.names("minispark", PLACES)
    different = {}
    for cls, members in theirs.items():
        if cls not in ours:
            different[cls, ""] = "missing"
            continue
        for name, shape in members.items():
            if ours[cls].get(name) != shape:
                different[cls, name] = f"PySpark {shape}, here {ours[cls].get(name)}"
    unexpected = {key: text for key, text in different.items() if key not in DIFFERENT}
    assert unexpected == {}
    # PySpark 4.0 lacks what later versions added: only what it has can differ.
    known = {key for key in DIFFERENT if key[0] in theirs and (key[1] or key[0] not in ours)}
    stale = {key for key in known - set(different) if key[1] in theirs[key[0]]}
    assert stale == set(), "no longer different: take them off the list"
