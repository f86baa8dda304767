"""Runs the examples in PySpark's own documentation against minispark.

`python tests/parity/doctests.py PYSPARK_DIR [-v]` reads the modules below from
an installed PySpark, without importing it, and copies nothing of them. An
example that is out of scope is listed below with its reason.
"""

from __future__ import annotations

import argparse
import ast
import doctest
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minispark

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

#: Qualified name -> why its examples cannot run without a JVM or Spark SQL.
OUT_OF_SCOPE = {
    "RDD.toDF": "needs Spark SQL",
    "SparkContext.hadoopFile": "Hadoop formats",
    "SparkContext.hadoopRDD": "Hadoop formats",
    "SparkContext.newAPIHadoopFile": "Hadoop formats",
    "SparkContext.newAPIHadoopRDD": "Hadoop formats",
    "RDD.saveAsHadoopDataset": "Hadoop formats",
    "RDD.saveAsHadoopFile": "Hadoop formats",
    "RDD.saveAsNewAPIHadoopDataset": "Hadoop formats",
    "RDD.saveAsNewAPIHadoopFile": "Hadoop formats",
}


def docstrings(path: Path) -> Iterator[tuple[str, str, int]]:
    """(qualified name, text, line) of every docstring in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield prefix or path.stem, text, getattr(node, "lineno", 1)
            stack += [
                (f"{prefix}.{child.name}".strip("."), child)
                for child in node.body
                if isinstance(child, ast.ClassDef | ast.FunctionDef)
            ]


def main() -> int:
    """Prints the failures and the totals; the exit code says whether all passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pyspark", type=Path, help="the directory of the installed package")
    parser.add_argument("--master", default="local-process[4]")
    parser.add_argument("-v", action="store_true", help="show the failing examples")
    args = parser.parse_args()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    totals = {"passed": 0, "failed": 0, "out of scope": 0}
    failures: list[str] = []
    os.chdir(tempfile.mkdtemp())
    for module in MODULES:
        for name, text, line in docstrings(args.pyspark / module):
            if ">>>" not in text:
                continue
            if name in OUT_OF_SCOPE:
                totals["out of scope"] += 1
                continue
            # Names of the package are the only thing that differs.
            text = re.sub(r"\bpyspark(\.core)?\b", "minispark", text)
            sc = minispark.SparkContext.getOrCreate(
                minispark.SparkConf().setMaster(args.master).setAppName("doctests")
            )
            names: dict[str, Any] = {**vars(minispark), "sc": sc, "__name__": "__main__"}
            test = doctest.DocTestParser().get_doctest(text, names, name, module, line)
            out = io.StringIO()
            result = doctest.DocTestRunner(optionflags=flags).run(test, out=out.write)
            if result.failed:
                totals["failed"] += 1
                failures.append(f"{module} {name}")
                if args.v:
                    print(f"--- {module} {name}\n{out.getvalue()}")
            else:
                totals["passed"] += 1
    active = minispark.SparkContext._active_spark_context
    if active is not None:
        active.stop()
    print("\n".join(failures))
    print(", ".join(f"{count} {what}" for what, count in totals.items()))
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
