"""Random programs of operators give what the plain-Python reference gives."""

from __future__ import annotations

import importlib
import os

import programs
import pytest
import reference
import strategies
from hypothesis import HealthCheck, given, note, settings

EXAMPLES = int(os.environ.get("MINISPARK_MODEL_EXAMPLES", "0"))
DEFAULT_EXAMPLES = {"local": 150, "local-process[2]": 60, "local[2]": 60}


@pytest.fixture(scope="session")
def machine(sc, engine):
    """The engine under test; its executors get the functions by value."""
    vendored = "pyspark.cloudpickle" if engine.__name__ == "pyspark" else "cloudpickle"
    pickler = importlib.import_module(vendored)
    pickler.register_pickle_by_value(programs)
    yield programs.Engine(sc, engine.StorageLevel)
    pickler.unregister_pickle_by_value(programs)


def test_random_programs(machine, sc):
    examples = EXAMPLES or DEFAULT_EXAMPLES.get(sc.master, 60)

    @settings(
        max_examples=examples,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.programs())
    def check(drawn):
        program, looks = drawn
        for index, instruction in enumerate(program):
            note(f"{index}: {instruction}")
        note(f"looks: {looks}")
        shown = machine.run(program, looks)
        expected = reference.run(program, looks)
        for look, one, other in zip(looks, shown, expected, strict=True):
            assert one == other, look

    check()


REGRESSIONS = [
    # (program, looks): programs that once gave a wrong answer, or nearly did.
    (
        (("parallelize", (("a", 1), ("b", None)), 3), ("partitionBy", 0, 2), ("union", 1, 1)),
        (("glom", 2),),
    ),
    (
        (("empty",), ("keyBy", 0, "kind"), ("reduceByKey", 1, "last", None), ("coalesce", 2, 3)),
        (("glom", 3), ("partitions", 2)),
    ),
    (
        (("parallelize", (True, 1, 1.0, 0, False, -0.0), 2), ("distinct", 0, 3)),
        (("glom", 1),),
    ),
    (
        (("range", 0, 10, 1, 3), ("persist", 0, "DISK_ONLY"), ("zipWithMap", 1, "text")),
        (("glom", 2), ("take", 2, 4)),
    ),
]


@pytest.mark.parametrize(("program", "looks"), REGRESSIONS)
def test_programs_worth_keeping(machine, program, looks):
    assert machine.run(program, looks) == reference.run(program, looks)
