"""Runs programs on the real PySpark, in a Python that has it.

Reads pickled `(program, looks)` from standard input, one after the other, and
answers each with a pickled `("ok", shown)` or `("error", text)`. Only the
process that started it writes to its input.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import BinaryIO


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until the input ends."""
    import programs
    from pyspark import SparkConf, SparkContext, StorageLevel, cloudpickle

    cloudpickle.register_pickle_by_value(programs)
    conf = SparkConf().setMaster("local[2]").setAppName("parity").set("spark.ui.enabled", "false")
    # Executors of PySpark report their progress on the terminal otherwise.
    conf.set("spark.ui.showConsoleProgress", "false")
    with SparkContext(conf=conf) as sc:
        sc.setLogLevel("OFF")
        engine = programs.Engine(sc, StorageLevel)
        while True:
            try:
                program, looks = pickle.load(requests)
            except EOFError:
                return
            try:
                answer = ("ok", engine.run(program, looks))
            except Exception as error:
                answer = ("error", f"{type(error).__name__}: {error}")
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    # PySpark and its JVM print; they must not print into the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.path.insert(0, sys.argv[1])
    os.environ["PYSPARK_PYTHON"] = sys.executable
    serve(sys.stdin.buffer, answers)
