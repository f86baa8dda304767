"""Reads and writes files with the real PySpark, in a Python that has it.

Reads pickled requests `(action, path, *arguments)` from standard input and answers each
with a pickled `("ok", result)` or `("error", text)`. Only the process that started it
writes to its input.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any, BinaryIO

_FORMAT = "org.apache.hadoop.mapred.SequenceFileOutputFormat"


def act(sc: Any, action: str, path: str, *arguments: Any) -> Any:
    """One request."""
    if action == "read":
        return sc.sequenceFile(path, minSplits=arguments[0]).glom().collect()
    if action == "unpickle":
        return sc.pickleFile(path, arguments[0]).glom().collect()
    records, slices = arguments[:2]
    rdd = sc.parallelize(records, slices)
    if action == "write":
        rdd.saveAsSequenceFile(path, arguments[2])
    elif action == "write-records":
        prefix = "mapreduce.output.fileoutputformat.compress"
        conf = {prefix: "true", f"{prefix}.type": "RECORD", f"{prefix}.codec": arguments[2]}
        rdd.saveAsHadoopFile(path, _FORMAT, conf=conf)
    elif action == "pickle":
        rdd.saveAsPickleFile(path, arguments[2])
    else:
        raise ValueError(action)
    return None


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until the input ends."""
    from pyspark import SparkConf, SparkContext

    conf = SparkConf().setMaster("local[2]").setAppName("parity").set("spark.ui.enabled", "false")
    conf.set("spark.ui.showConsoleProgress", "false")
    with SparkContext(conf=conf) as sc:
        sc.setLogLevel("OFF")
        while True:
            try:
                request = pickle.load(requests)
            except EOFError:
                return
            try:
                answer = ("ok", act(sc, *request))
            except Exception as error:
                answer = ("error", f"{type(error).__name__}: {error}")
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    # PySpark and its JVM print; they must not print into the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    serve(sys.stdin.buffer, answers)
