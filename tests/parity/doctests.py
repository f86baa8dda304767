"""Runs the examples in PySpark's own documentation against minispark.

`python -m minispark run tests/parity/doctests.py PYSPARK_DIR [-v]` reads the
modules below from an installed PySpark, without importing it, and copies
nothing of them. `import pyspark` in an example gives minispark, and so do the
names that PySpark's own runner provides: those of the module, `sc` and `spark`.

What is not run is listed below, each with its reason. Three things are looked
at more broadly than doctest would: the module that a default `repr` names; the
order in which a set prints; and `Py4JJavaError`, the envelope in which PySpark
hands over what the JVM reports and which exists here only as a name to catch.
"""

from __future__ import annotations

import argparse
import ast
import doctest
import importlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODULES = [
    "core/rdd.py",
    "core/context.py",
    "core/broadcast.py",
    "core/files.py",
    "core/status.py",
    "accumulators.py",
    "conf.py",
    "storagelevel.py",
    "taskcontext.py",
    "statcounter.py",
    "resultiterable.py",
    "rddsampler.py",
    "util.py",
]

_HADOOP = "Hadoop input and output formats are Java classes"
_PRIVATE = "an internal function of PySpark's workers"
#: Qualified name -> why its examples cannot run without a JVM or Spark SQL.
OUT_OF_SCOPE = {
    "RDD.toDF": "needs Spark SQL",
    "SparkContext.hadoopFile": _HADOOP,
    "SparkContext.hadoopRDD": _HADOOP,
    "SparkContext.newAPIHadoopFile": _HADOOP,
    "SparkContext.newAPIHadoopRDD": _HADOOP,
    "RDD.saveAsHadoopDataset": _HADOOP,
    "RDD.saveAsHadoopFile": _HADOOP,
    "RDD.saveAsNewAPIHadoopDataset": _HADOOP,
    "RDD.saveAsNewAPIHadoopFile": _HADOOP,
    "SparkContext.sequenceFile": "its example writes by a Hadoop output format, a Java class",
    "SparkContext.uiWebUrl": "there is no web interface, so the address is None",
    "StatCounter.asDict": "prints 4L as Python 2 did: fails on PySpark as well",
    "try_simplify_traceback": _PRIVATE,
    "_parse_memory": _PRIVATE,
}
#: Qualified name -> (text of the first statement left out, of the last one, why).
LEFT_OUT = {
    "SparkConf": ("_jconf", "toDebugString", "reaches for the Java object behind the settings"),
    "TaskContext": ("import Row", None, "a user-defined function of Spark SQL"),
    "BarrierTaskContext": ("import Row", None, "a user-defined function of Spark SQL"),
}
#: Examples that make a context themselves.
OWN_CONTEXT = {"SparkContext", "SparkConf"}
#: What tasks print goes to the terminal of PySpark's JVM; here it reaches the driver's.
TASKS_PRINT = {"RDD.foreach", "RDD.foreachPartition"}

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def docstrings(path: Path) -> Iterator[tuple[str, str, int]]:
    """(qualified name, text, line) of every docstring in a file, in its order."""
    stack: list[tuple[str, ast.AST]] = [("", ast.parse(path.read_text(encoding="utf-8")))]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield prefix or path.stem, text, getattr(node, "lineno", 1)
            stack += [
                (f"{prefix}.{child.name}".strip("."), child)
                for child in reversed(node.body)
                if isinstance(child, ast.ClassDef | ast.FunctionDef)
            ]


class Checker(doctest.OutputChecker):
    """Equal but for the module in a default `repr` and the order of a set."""

    def __init__(self, tasks_print: bool) -> None:
        self.tasks_print = tasks_print

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if self.tasks_print and not want:
            return True
        module = r"<(?:pyspark|minispark)(?:\.\w+)*\.(?=\w+ )"
        want, got = re.sub(module, "<", want), re.sub(module, "<", got)
        if super().check_output(want, got, optionflags):
            return True
        try:
            one, other = ast.literal_eval(want), ast.literal_eval(got)
        except (SyntaxError, ValueError):
            return False
        return isinstance(one, set) and one == other


def left_out(name: str, test: doctest.DocTest) -> str:
    """Takes statements that are out of scope out of a test; says which and why."""
    if name not in LEFT_OUT:
        return ""
    first, last, why = LEFT_OUT[name]
    sources = [example.source for example in test.examples]
    start = next((i for i, source in enumerate(sources) if first in source), None)
    if start is None:
        return ""
    ends = [i for i, source in enumerate(sources) if last and last in source and i >= start]
    end = ends[0] if ends else len(sources) - 1
    del test.examples[start : end + 1]
    return f"{name}: {end + 1 - start} of {len(sources)} statements: {why}"


@contextmanager
def context_for(name: str, master: str) -> Iterator[dict[str, Any]]:
    """The names that PySpark's own runner provides."""
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if active := SparkContext._active_spark_context:
        if name not in OWN_CONTEXT and not active._engine.is_stopped:
            yield {"sc": active, "spark": SparkSession(active)}
            return
        active.stop()
    if name in OWN_CONTEXT:
        yield {}
        if active := SparkContext._active_spark_context:
            active.stop()
        return
    sc = SparkContext(conf=SparkConf().setMaster(master).setAppName("doctests"))
    sc.setCheckpointDir(tempfile.mkdtemp())
    yield {"sc": sc, "spark": SparkSession(sc)}


def run(module: str, name: str, text: str, line: int, master: str) -> tuple[bool, str, str]:
    """Whether the examples of one docstring pass, what they print, what was left out."""
    place = "pyspark." + module.removesuffix(".py").replace("/", ".")
    try:
        names = dict(vars(importlib.import_module(place)))
    except ImportError:
        names = {}
    # What crosses the JVM as its envelope arrives as what it is.
    text = re.sub(r"(?:py4j\.protocol\.)?Py4JJavaError: \.\.\.", "PySparkRuntimeError: ...", text)
    with context_for(name, master) as provided:
        names |= {**provided, "__name__": "__main__"}
        test = doctest.DocTestParser().get_doctest(text, names, name, module, line)
        note = left_out(name, test)
        out = io.StringIO()
        runner = doctest.DocTestRunner(Checker(name in TASKS_PRINT), optionflags=FLAGS)
        return not runner.run(test, out=out.write).failed, out.getvalue(), note


def main() -> int:
    """Prints the failures, what is out of scope and why, and the totals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pyspark", type=Path, help="the directory of the installed package")
    parser.add_argument("--master", default="local-process[4]")
    parser.add_argument("--only", default="", help="names that contain this text")
    parser.add_argument("-v", action="store_true", help="show the failing examples")
    args = parser.parse_args()
    totals = {"passed": 0, "failed": 0, "out of scope": 0}
    lines: list[str] = []
    package = args.pyspark.resolve()
    os.chdir(tempfile.mkdtemp())
    for module in MODULES:
        for name, text, line in docstrings(package / module):
            if ">>>" not in text or args.only not in name:
                continue
            if name in OUT_OF_SCOPE:
                totals["out of scope"] += 1
                lines.append(f"out of scope: {module} {name}: {OUT_OF_SCOPE[name]}")
                continue
            passed, printed, note = run(module, name, text, line, args.master)
            totals["passed" if passed else "failed"] += 1
            if note:
                lines.append(f"left out: {module} {note}")
            if not passed:
                lines.append(f"failed: {module} {name}")
                if args.v:
                    lines.append(printed)
    print("\n".join(lines))
    print(", ".join(f"{count} {what}" for what, count in totals.items()))
    return totals["failed"]


if __name__ == "__main__":
    sys.exit(main())
