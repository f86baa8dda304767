"""What real scripts lean on beside the documented API."""

from __future__ import annotations

import importlib
import operator
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def _package(sc: Any) -> Any:
    return importlib.import_module(type(sc).__module__.partition(".")[0])


def test_get_or_create_on_an_instance(sc: Any) -> None:
    assert sc.getOrCreate() is sc


def test_rdd_can_be_subscripted_in_annotations(sc: Any) -> None:
    RDD = _package(sc).RDD

    def keyed(numbers: RDD[int]) -> RDD[tuple[int, int]]:  # type: ignore[valid-type]
        return numbers.keyBy(lambda n: n % 2)

    assert keyed(sc.parallelize([3], 1)).collect() == [(1, 3)]


def test_rdds_add_up(sc: Any) -> None:
    parts = [sc.parallelize([n], 1) for n in range(4)]
    total = parts[0]
    total += parts[1]
    assert (total + parts[2]).collect() == [0, 1, 2]
    assert sum(parts[1:], parts[0]).collect() == [0, 1, 2, 3]


def test_a_partitioner_prints(sc: Any) -> None:
    rdd = sc.parallelize([(1, 2)], 1)
    assert str(rdd.partitioner) == "None"
    assert "Partitioner" in str(rdd.partitionBy(3).partitioner)


def test_the_version_compares(sc: Any) -> None:
    assert sc.version >= "3.0"
    assert Version(sc.version) >= Version("3.5.1")
    assert tuple(int(n) for n in sc.version.split(".")[:3]) >= (3, 0, 0)


def test_text_as_bytes(sc: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("é\nb\n".encode())
    assert sc.textFile(str(tmp_path), use_unicode=False).collect() == ["é".encode(), b"b"]
    whole = sc.wholeTextFiles(str(tmp_path), use_unicode=False).collect()
    assert whole == [(f"file:{tmp_path}/a.txt".encode(), "é\nb\n".encode())]


@pytest.mark.parametrize("wide", [False, True])
def test_a_reducer_that_changes_its_left_argument_leaves_the_cache_alone(
    sc: Any, wide: bool
) -> None:
    numpy = pytest.importorskip("numpy")

    def add(a: Any, b: Any) -> Any:
        a += b
        return a

    rdd = sc.parallelize(range(6), 2).map(lambda n: (n % 2, numpy.array([n, 1.0]))).cache()
    for _ in range(3):
        if wide:
            sums = {k: v.tolist() for k, v in rdd.reduceByKey(add, 2).collect()}
            assert sums == {0: [6.0, 3.0], 1: [9.0, 3.0]}
        else:
            assert rdd.values().reduce(add).tolist() == [15.0, 6.0]
            assert rdd.values().fold(numpy.zeros(2), add).tolist() == [15.0, 6.0]
            assert rdd.values().treeReduce(add).tolist() == [15.0, 6.0]
    assert [v.tolist() for v in rdd.values().take(2)] == [[0.0, 1.0], [1.0, 1.0]]


def test_a_reducer_may_begin_with_a_broadcast_value(sc: Any) -> None:
    zero = sc.broadcast([0])

    def add(a: list[int], b: list[int]) -> list[int]:
        a += b
        return a

    rdd = sc.parallelize([[1], [2], [3]], 2)
    for _ in range(2):
        assert sorted(rdd.fold([], add)) == [1, 2, 3]
        lists = rdd.mapPartitions(lambda part: [sum(part, list(zero.value))])
        assert sorted(lists.reduce(add)) == [0, 0, 1, 2, 3]
    assert zero.value == [0]


def test_an_accumulator_in_a_lambda_and_in_a_default(sc: Any) -> None:
    seen = sc.accumulator(0)
    rdd = sc.parallelize([1, 2, 3], 2)
    rdd.foreach(lambda x: seen.add(x))
    rdd.foreach(lambda x, acc=seen: acc.add(x))
    rdd.foreachPartition(lambda part: [operator.iadd(seen, x) for x in part] and None)
    assert seen.value == 18


def test_a_pool_of_threads_uses_the_executors_as_processes(sc: Any) -> None:
    cloudpickle = importlib.import_module("cloudpickle")

    def square(n: int) -> int:
        return n * n

    def call(n: int) -> int:
        rdd = sc.parallelize([0], 1).map(lambda _: cloudpickle.dumps(square(n)))
        return cloudpickle.loads(rdd.collect()[0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(8))) == [n * n for n in range(8)]


@pytest.mark.minispark_only
def test_what_other_sparks_need_is_harmless(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import findspark
findspark.init()
findspark.init("/opt/spark")
from pyspark import SparkConf, SparkContext
conf = SparkConf().set("spark.jars.packages", "org.example:thing:1.0")
sc = SparkContext(conf=conf)
sc.setLogLevel("ERROR")
print(sc.master, sc.parallelize(range(5)).map(lambda x: x + 1).sum())
"""
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MASTER": "local",
        "SPARK_HOME": "/opt/not/there",
        "PYSPARK_PYTHON": "/not/a/python",
        "PYSPARK_DRIVER_PYTHON": "jupyter",
        "SPARK_CONF_DIR": str(tmp_path / "absent"),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "minispark", "run", str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "local 15"
