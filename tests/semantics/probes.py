"""Every probe of this directory, and what an engine answers to each.

A probe is a public function of one argument, a context; it returns a list of
plain values. Run as a program by a Python that has PySpark, this module prints
that engine's answers as JSON, which is how `recorded.json` is made:
`PYTHONHASHSEED=0 python tests/semantics/probes.py > tests/semantics/recorded.json`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOPICS = ("placement", "ordering", "keyed", "numeric", "handles")

if str(Path(__file__).parent) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parent))


def modules() -> list[Any]:
    """What has to be shipped by value: executors cannot import test modules."""
    return [importlib.import_module(name) for name in ("tried", *TOPICS)]


def probes() -> dict[str, Callable[[Any], Any]]:
    """All probes by name, in the order of the files."""
    found = {}
    for module in modules()[1:]:
        for name, value in vars(module).items():
            if callable(value) and not name.startswith("_") and value.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = value
    return {name: value for name, value in found.items() if not isinstance(value, type)}


def answer(probe: Callable[[Any], Any], context: Any) -> list[str]:
    """What the engine says, as texts: exact in types, and NaN equals NaN."""
    try:
        return [repr(item) for item in probe(context)]
    except Exception as error:
        return [f"FAILED: {type(error).__name__}: {str(error)[-600:]}"]


def _print_those_of_pyspark(chosen: list[str]) -> None:
    from pyspark import SparkConf, SparkContext, cloudpickle

    for module in modules():
        cloudpickle.register_pickle_by_value(module)
    conf = SparkConf().setMaster("local[2]").setAppName("probes").set("spark.ui.enabled", "false")
    conf.set("spark.ui.showConsoleProgress", "false")
    answers = {}
    with SparkContext(conf=conf) as sc:
        sc.setLogLevel("OFF")
        for name, probe in probes().items():
            if not chosen or any(part in name for part in chosen):
                answers[name] = answer(probe, sc)
    json.dump(answers, sys.stdout, indent=1)


if __name__ == "__main__":
    os.environ["PYSPARK_PYTHON"] = sys.executable
    _print_those_of_pyspark(sys.argv[1:])
