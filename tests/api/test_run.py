"""`minispark run`: scripts written for PySpark, unmodified."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minispark.compat.row import Row

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.minispark_only


def run(tmp_path: Path, text: str, *arguments: str, before: tuple[str, ...] = ()) -> Any:
    script = tmp_path / "script.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "minispark", "run", *before, str(script), *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MASTER": "local-process[2]"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_script_with_a_session(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a b\nb\n")
    text = """
import sys
from operator import add
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("WordCount").getOrCreate()
lines = spark.read.text(sys.argv[1]).rdd.map(lambda r: r[0])
words = lines.flatMap(lambda x: x.split(" "))
print(sorted(words.map(lambda x: (x, 1)).reduceByKey(add).collect()))
print(spark.sparkContext.appName, spark.sparkContext.master, __name__, len(sys.argv))
print(SparkSession.getActiveSession() is spark is SparkSession.builder.getOrCreate())
spark.sparkContext.stop()
print(SparkSession.getActiveSession())
"""
    ran = run(tmp_path, text, "words.txt", "--flag")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "[('a', 1), ('b', 2)]",
        "WordCount local-process[2] __main__ 3",
        "True",
        "None",
    ]


def test_modules_of_pyspark_resolve_in_the_executors_too(tmp_path: Path) -> None:
    # A module of the user's is imported there, and imports pyspark.
    (tmp_path / "helper.py").write_text(
        "from pyspark import TaskContext\n"
        "from pyspark.rdd import portable_hash\n"
        "def where(x): return (TaskContext.get().partitionId(), portable_hash(x))\n"
    )
    text = """
import pyspark
import pyspark.statcounter as stats
from helper import where
sc = pyspark.SparkContext()
print(sc.parallelize([1, 2], 2).map(where).collect())
print(sc.parallelize([1, 2], 2).mapPartitions(lambda xs: [stats.StatCounter(xs).sum()]).collect())
print(sc.parallelize([1], 1).map(lambda x: pyspark.Accumulator.__name__).first())
print(pyspark.sql.Row(a=1), pyspark.__version__ >= "3.0", pyspark.StorageLevel.DISK_ONLY)
"""
    ran = run(tmp_path, text)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "[(0, 1), (1, 2)]",
        "[1.0, 2.0]",
        "Accumulator",
        "Row(a=1) True Disk Serialized 1x Replicated",
    ]


def test_settings_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "extra.py").write_text("WORD = 'extra'")
    text = """
from pyspark import SparkConf, SparkContext
sc = SparkContext(conf=SparkConf().set("spark.app.name", "from code"))
print(sc.master, sc.appName, sc.getConf().get("spark.task.maxFailures"))
print(sc.parallelize([1], 1).map(lambda x: __import__("extra").WORD).collect())
"""
    flags = ("--master", "local", "--name", "n", "--conf", "spark.task.maxFailures=2")
    ran = run(tmp_path, text, before=(*flags, "--py-files", str(tmp_path / "extra.py")))
    assert ran.stdout.splitlines() == ["local from code 2", "['extra']"], ran.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--conf", "nonsense"), "KEY=VALUE"),
        (("--conf", "spark.task.maxFailures=none"), "an integer of at least 1"),
    ],
)
def test_wrong_settings(tmp_path: Path, flags: tuple[str, ...], message: str) -> None:
    ran = run(tmp_path, "print('ran')", before=flags)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_a_missing_script() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "minispark", "run", "nowhere.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert "no such script: nowhere.py" in ran.stderr


def test_an_error_is_the_scripts_own(tmp_path: Path) -> None:
    ran = run(tmp_path, "import sys\ndef f():\n    raise KeyError('mine')\nf()\n")
    assert ran.returncode == 1
    assert "KeyError: 'mine'" in ran.stderr
    assert 'script.py", line 3, in f' in ran.stderr
    assert run(tmp_path, "import sys; sys.exit(7)").returncode == 7


@pytest.mark.parametrize(
    "text",
    [
        "from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate().sql('x')",
        "import pyspark.sql.functions",
        "from pyspark.ml.feature import Tokenizer",
        "import pyspark.pandas as ps",
    ],
)
def test_what_is_not_there_says_so(tmp_path: Path, text: str) -> None:
    ran = run(tmp_path, text, before=("--master", "local"))
    assert ran.returncode == 1
    assert "Spark SQL" in ran.stderr
    assert "RDD engine" in ran.stderr


def test_names_of_the_bridge_and_of_notebooks(tmp_path: Path) -> None:
    text = """
import findspark
findspark.init()
from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkTypeError
try:
    SparkContext("local").hadoopFile("p", "f", "k", "v")
except NotImplementedError as error:
    print(isinstance(error, Exception), issubclass(PySparkTypeError, TypeError))
"""
    assert run(tmp_path, text).stdout == "True True\n"


def test_a_plain_import_has_no_aliases() -> None:
    code = (
        "import sys, minispark, minispark.compat.aliases\n"
        "sys.exit(any(type(f).__name__ == '_Aliases' for f in sys.meta_path)\n"
        "         or any(m.startswith('pyspark') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# -- rows --------------------------------------------------------------------------


def test_rows() -> None:
    import pickle

    row = Row(name="Ann", tags=[Row(k=1)])
    assert (row.name, row["name"], row[0], len(row)) == ("Ann", "Ann", "Ann", 2)
    assert ("name" in row, "Ann" in row, "Ann" in Row("Ann")) == (True, False, True)
    assert row.asDict(True) == {"name": "Ann", "tags": [{"k": 1}]}
    assert repr(row) == "Row(name='Ann', tags=[Row(k=1)])"
    copy = pickle.loads(pickle.dumps(row))
    assert (copy, copy.name) == (row, "Ann")
    pair = pickle.loads(pickle.dumps(Row("left", "right")))
    assert repr(pair(1, 2)) == "Row(left=1, right=2)"
    assert repr(pair) == "<Row('left', 'right')>"
    with pytest.raises(AttributeError, match="nobody"):
        _ = row.nobody
    with pytest.raises(KeyError, match="nobody"):
        row["nobody"]
    with pytest.raises(ValueError, match="not both"):
        Row(1, a=2)
    with pytest.raises(ValueError, match="3 values"):
        pair(1, 2, 3)
    with pytest.raises(ValueError, match="no names"):
        pair.asDict()


def test_settings_come_from_code_flags_and_file_in_this_order(tmp_path: Path) -> None:
    (tmp_path / "some.conf").write_text(
        "spark.app.name  file\nspark.default.parallelism 3\nspark.master local-process[1]\n"
        "spark.jars.packages a:b:1\nspark.task.maxFailures 7\n"
    )
    text = """
from pyspark import SparkConf, SparkContext
sc = SparkContext(conf=SparkConf().setAppName("code"))
sc.setLogLevel("ERROR")
conf = sc.getConf()
print(sc.appName, sc.master, sc.defaultParallelism, conf.get("spark.task.maxFailures"))
print(sc.getSystemProperty("SPARK_SUBMIT"), conf.get("spark.jars.packages"))
"""
    flags = ("--properties-file", "some.conf", "--master", "local", "--name", "flag")
    ran = run(tmp_path, text, before=(*flags, "--conf", "spark.task.maxFailures=2"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["code local 3 2", "true a:b:1"]


def test_a_properties_file_that_is_not_there(tmp_path: Path) -> None:
    ran = run(tmp_path, "print(1)", before=("--properties-file", "absent.conf"))
    assert ran.returncode == 2
    assert "absent.conf" in ran.stderr


def test_names_that_scripts_import(tmp_path: Path) -> None:
    text = """
from pyspark.errors import AnalysisException, PySparkException, PySparkTypeError
from pyspark.sql.utils import AnalysisException as Old, ParseException
from pyspark.serializers import AutoBatchedSerializer, CPickleSerializer, MarshalSerializer
from pyspark.util import VersionUtils, is_remote_only
from pyspark.core.rdd import RDD, portable_hash
from pyspark.core.files import SparkFiles
from pyspark.accumulators import AccumulatorParam
from pyspark import SparkContext
from py4j.protocol import Py4JJavaError
sc = SparkContext("local", "names", serializer=MarshalSerializer())
print(Old is AnalysisException, issubclass(ParseException, PySparkException))
print(VersionUtils.majorMinorVersion(sc.version), is_remote_only())
print(MarshalSerializer().loads(MarshalSerializer().dumps([1, "a"])))
print(AutoBatchedSerializer(CPickleSerializer()) == AutoBatchedSerializer(CPickleSerializer()))
try:
    sc.parallelize([1]).persist("MEMORY_ONLY")
except (Py4JJavaError, PySparkTypeError) as error:
    print(type(error).__name__)
"""
    ran = run(tmp_path, text)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "True True",
        "(4, 0) False",
        "[1, 'a']",
        "True",
        "PySparkTypeError",
    ]


def test_a_plain_import_never_gives_the_alias() -> None:
    code = (
        "import sys, minispark, minispark.compat, minispark.compat.session, minispark.cli\n"
        "found = [n for n in sys.modules if n.split('.')[0] in ('pyspark', 'py4j', 'findspark')]\n"
        "print(found, [type(f).__name__ for f in sys.meta_path if 'Alias' in repr(f)])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "[] []"


def test_what_pools_of_processes_ask_the_jvm(tmp_path: Path) -> None:
    text = """
from py4j.clientserver import ClientServer
from pyspark.sql import SparkSession
sc = SparkSession.builder.appName("pool").getOrCreate().sparkContext
java = sc._jsc.sc()
profile = java.resourceProfileManager().resourceProfileFromId(0)
print(java.maxNumConcurrentTasks(profile), isinstance(sc._gateway, ClientServer))
try:
    sc._jsc.hadoopConfiguration().set("fs.s3a.access.key", "k")
except NotImplementedError as error:
    print("environment" in str(error))
"""
    ran = run(tmp_path, text)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["2 False", "True"]
