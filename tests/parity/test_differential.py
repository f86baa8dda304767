"""Random programs give the same on minispark and on the real PySpark.

Needs a Python with PySpark and Java: this one, or the one that
`MINISPARK_PARITY_PYTHON` names. `MINISPARK_PARITY_EXAMPLES` sets the number of
programs (2,000 show what `docs/migrating-from-pyspark.md` claims),
`MINISPARK_PARITY_SEED` the first one's seed. Results are compared as text:
values, types, order and partitions, also where only PySpark itself knows what
they must be: dealing, sampling, the bounds of sorts, the order of products.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import drawing
import programs
import pytest

PYTHON = os.environ.get("MINISPARK_PARITY_PYTHON") or (
    sys.executable if importlib.util.find_spec("pyspark") else None
)
EXAMPLES = int(os.environ.get("MINISPARK_PARITY_EXAMPLES", "100"))
FIRST_SEED = int(os.environ.get("MINISPARK_PARITY_SEED", "0"))
#: A task of PySpark costs ten milliseconds and more, so there are few.
SIZE = drawing.Size(steps=6, records=150, partitions=12, few=3, seldom_many=24, unforetold=True)
BATCH = 20
#: What PySpark's error says -> why there is none here.
DOCUMENTED = {
    "Can not reduce() empty RDD": "top, takeOrdered and counts of an RDD without partitions",
}

#: Behind these PySpark knows where partitions are.
PLACED = {
    *("persist", "sortBy", "groupBy", "repartitionAndSort", "repartition", "sortByKey"),
    *("sortWithin", "foldByKey", "partitionBySize", "distinct", "reduceByKey", "groupByKey"),
    *("combineByKey", "aggregateByKey", "partitionBy", "subtractByKey", "cogroup", "join"),
    *("leftOuterJoin", "rightOuterJoin", "fullOuterJoin", "groupWith"),
    *("intersection", "subtract", "cartesianAndSort"),
}
_WORD = re.compile(r"[^\s,\[\]]+")

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

    def start(self, batch: list[Any]) -> None:
        """Sends programs; PySpark works on them meanwhile."""
        assert self._process.stdin is not None
        pickle.dump(batch, self._process.stdin)
        self._process.stdin.flush()

    def answers(self) -> list[tuple[str, Any]]:
        """The answers to the programs sent last."""
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)

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


def drawn(seed: int) -> tuple[programs.Program, programs.Program]:
    return drawing.program(drawing.Dice(random.Random(seed)), SIZE)


def outcome(engine: programs.Engine, program: Any, looks: Any) -> tuple[str, Any]:
    try:
        return "ok", engine.run(program, looks)
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"


def needed(program: programs.Program, look: tuple[Any, ...]) -> list[str]:
    """The instructions that what is looked at is made of: all a reader has to read."""
    wanted, kept = {look[1]}, []
    for index in range(len(program) - 1, -1, -1):
        if index in wanted:
            name, *arguments = program[index]
            wanted |= set(arguments[: programs.PARENTS.get(name, 1)])
            kept.append(f"{index}: {program[index]}")
    return kept[::-1]


def is_regrouped(program: programs.Program, look: tuple[Any, ...], one: str, other: str) -> bool:
    """Whether only `coalesce` behind a shuffle, or of persisted partitions, is different.

    PySpark groups by machine where it knows where partitions are. All records are there.
    """
    is_known = False
    for line in needed(program, look):
        name = line.split("'")[1]
        if name == "coalesce" and is_known:
            return sorted(_WORD.findall(one)) == sorted(_WORD.findall(other))
        is_known = is_known or name in PLACED
    return False


def difference(seed: int, theirs: tuple[str, Any], mine: tuple[str, Any]) -> str:
    """What is different, or the empty string."""
    program, looks = drawn(seed)
    if theirs[0] != "ok" or mine[0] != "ok":
        if theirs[0] == mine[0]:
            return ""  # both refuse it
        return f"seed {seed}: {program}\n  PySpark {theirs}\n  here    {mine}"
    for look, one, other in zip(looks, theirs[1], mine[1], strict=True):
        if one != other and not is_regrouped(program, look, one, other):
            steps = "\n  ".join(needed(program, look))
            return f"seed {seed}, {look}:\n  {steps}\n  PySpark {one}\n  here    {other}"
    return ""


@pytest.mark.own_context
def test_random_programs_agree(ours, real, without_time_limit):
    different, documented = [], 0
    for start in range(FIRST_SEED, FIRST_SEED + EXAMPLES, BATCH):
        seeds = range(start, min(start + BATCH, FIRST_SEED + EXAMPLES))
        real.start([drawn(seed) for seed in seeds])
        mine = [outcome(ours, *drawn(seed)) for seed in seeds]
        for seed, one, other in zip(seeds, real.answers(), mine, strict=True):
            if one[0] == "error" and any(said in one[1] for said in DOCUMENTED):
                documented += 1
            elif text := difference(seed, one, other):
                different.append(text)
                print(text, flush=True)
    print(f"{EXAMPLES} programs from seed {FIRST_SEED}: {documented} documented differences")
    assert different == []
