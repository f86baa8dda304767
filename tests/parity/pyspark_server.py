"""Runs programs on the real PySpark, in a Python that has it.

Reads pickled lists of `(program, looks)` from standard input, one after the
other, and answers each with the pickled list of `("ok", shown)` or
`("error", text)`. The programs of a list run at the same time, since PySpark
waits more than it works on such small ones. Only the process that started it
writes to its input.
"""

from __future__ import annotations

import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

AT_ONCE = 4


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until the input ends."""
    import programs
    from pyspark import SparkConf, SparkContext, StorageLevel, cloudpickle

    cloudpickle.register_pickle_by_value(programs)
    conf = SparkConf().setMaster(f"local[{AT_ONCE}]").setAppName("parity")
    # Executors of PySpark report their progress on the terminal otherwise.
    conf.set("spark.ui.enabled", "false").set("spark.ui.showConsoleProgress", "false")
    conf.set("spark.shuffle.compress", "false")
    # As many programs at a time, each fairly: none waits for a long one.
    conf.set("spark.scheduler.mode", "FAIR")

    with SparkContext(conf=conf) as sc, ThreadPoolExecutor(AT_ONCE) as pool:
        sc.setLogLevel("OFF")
        engine = programs.Engine(sc, StorageLevel)

        def run(request: tuple[Any, Any]) -> tuple[str, Any]:
            try:
                return "ok", engine.run(*request)
            except Exception as error:
                return "error", f"{type(error).__name__}: {error}"

        while True:
            try:
                batch = pickle.load(requests)
            except EOFError:
                return
            pickle.dump(list(pool.map(run, batch)), answers)
            answers.flush()


if __name__ == "__main__":
    # PySpark and its JVM print; they must not print into the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.path.insert(0, sys.argv[1])
    os.environ["PYSPARK_PYTHON"] = sys.executable
    serve(sys.stdin.buffer, answers)
