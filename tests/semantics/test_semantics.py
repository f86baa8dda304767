"""Each probe gives what PySpark 4.3 answered, on every master.

`recorded.json` holds PySpark's answers; `tests/parity` asks it again. Where
minispark answers otherwise on purpose, the place is listed with its reason,
and the list may not hold more than what differs.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from different import DIFFERENT
from probes import answer, modules, probes

RECORDED: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("recorded.json").read_text(encoding="utf-8")
)


def agrees(theirs: str, mine: str) -> bool:
    """Equal; an error that only PySpark's JVM knows may be of any kind."""
    if "raises engine" not in theirs:
        return theirs == mine
    pattern = re.escape(theirs).replace(re.escape("raises engine"), r"raises \w+")
    return re.fullmatch(pattern, mine) is not None


@pytest.fixture(scope="session")
def shipped(sc: Any, engine: Any) -> Iterator[Any]:
    """The context; the probes' functions go to its executors by value."""
    vendored = "pyspark.cloudpickle" if engine.__name__ == "pyspark" else "cloudpickle"
    pickler = importlib.import_module(vendored)
    for module in modules():
        pickler.register_pickle_by_value(module)
    yield sc
    for module in modules():
        pickler.unregister_pickle_by_value(module)


def test_every_probe_is_recorded() -> None:
    assert list(probes()) == list(RECORDED)
    assert {name for name, _ in DIFFERENT} <= set(RECORDED)


@pytest.mark.parametrize("name", probes())
def test_answers_as_pyspark_does(shipped: Any, name: str) -> None:
    mine = answer(probes()[name], shipped)
    theirs = RECORDED[name]
    assert len(mine) == len(theirs), mine
    different = {
        (name, place): f"PySpark {one}, here {other}"
        for place, (one, other) in enumerate(zip(theirs, mine, strict=True))
        if not agrees(one, other)
    }
    assert {key: text for key, text in different.items() if key not in DIFFERENT} == {}
    stale = {key for key in DIFFERENT if key[0] == name} - set(different)
    assert stale == set(), "no longer different: take them off the list"
