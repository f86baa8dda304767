"""The examples in the docstrings of what users see, run on master `local`."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import minispark
from minispark import rdd

FLAGS = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
#: Beside all of `minispark.rdd`: modules whose classes users hold in their hands.
MODULES = [
    "conf",
    "context",
    "context._base",
    "context._files",
    "context._running",
    "context._sources",
    "context._status",
    "context.threads",
    "kernels.resultiterable",
    "kernels.statcounter",
    "runtime.accumulators",
    "runtime.barrier",
    "runtime.broadcast",
    "runtime.files",
    "runtime.resources",
    "runtime.status",
    "runtime.task_context",
    "storagelevel",
]


def examples() -> list[Any]:
    """Each docstring that has examples, as a test parameter."""
    names = [f"minispark.{name}" for name in MODULES]
    names += [f"{rdd.__name__}.{module.name}" for module in pkgutil.iter_modules(rdd.__path__)]
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test
        for name in names
        if importlib.util.find_spec(name)
        for test in finder.find(importlib.import_module(name), name)
        if test.examples
    ]
    return [pytest.param(test, id=test.name.removeprefix("minispark.")) for test in found]


class Runner(doctest.DocTestRunner):
    """Skips the test where an example skips, because a package is not there."""

    def report_unexpected_exception(
        self, out: Any, test: doctest.DocTest, example: doctest.Example, exc_info: Any
    ) -> None:
        """See `DocTestRunner`."""
        if isinstance(exc_info[1], pytest.skip.Exception):
            raise exc_info[1]
        super().report_unexpected_exception(out, test, example, exc_info)


@pytest.mark.minispark_only
@pytest.mark.parametrize("sc", ["local"], indirect=True)
@pytest.mark.parametrize("test", examples())
def test_example(sc: Any, test: doctest.DocTest, tmp_path: Path) -> None:
    output: list[str] = []
    ready = {"sc": sc, "minispark": minispark, "SparkContext": minispark.SparkContext}
    test.globs = {**test.globs, **ready, "tmp_path": tmp_path}
    runner = Runner(optionflags=FLAGS, verbose=False)
    outcome = runner.run(test, out=output.append)
    assert outcome.failed == 0, "".join(output)
    assert outcome.attempted > 0
