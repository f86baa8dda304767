"""The life of a SparkContext. These tests make their own contexts, on `local`."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.own_context
ON_PYSPARK = os.environ.get("MINISPARK_TEST_ENGINE") == "pyspark"
MASTER = "local[2]" if ON_PYSPARK else "local"


@pytest.fixture
def make(engine, open_context):
    """Makes contexts and stops the active one after the test."""
    yield lambda **settings: open_context(MASTER, **settings)
    active = engine.SparkContext._active_spark_context
    if active is not None:
        active.stop()


def test_with_statement_stops(engine, make):
    with make() as sc:
        assert sc.parallelize([1], 1).count() == 1
    with pytest.raises(Exception):  # noqa: B017, PT011
        sc.parallelize([1], 1).count()
    make().stop()


def test_stop_is_idempotent(make):
    sc = make()
    sc.stop()
    sc.stop()


def test_an_action_on_a_stopped_context_is_an_error(make):
    sc = make()
    rdd = sc.parallelize([1], 1)
    sc.stop()
    with pytest.raises(Exception) as caught:  # noqa: PT011
        rdd.map(str).collect()
    assert ON_PYSPARK or re.search("(?i)stopped", str(caught.value))


def test_a_second_context_is_refused(make):
    sc = make()
    with pytest.raises(ValueError, match=r"(?i)multiple SparkContexts|already|active|once"):
        make()
    assert sc.parallelize([1, 2], 2).sum() == 3


def test_a_context_after_a_stopped_one(make):
    make().stop()
    sc = make()
    assert sc.parallelize([1, 2], 2).map(lambda x: x + 1).collect() == [2, 3]


def test_get_or_create(engine, make):
    sc = make()
    assert engine.SparkContext.getOrCreate() is sc
    assert engine.SparkContext.getOrCreate(engine.SparkConf().set("spark.x", "1")) is sc
    assert sc.getOrCreate() is sc


def test_get_or_create_makes_one(engine, make):
    conf = engine.SparkConf().setMaster(MASTER).setAppName("made")
    conf.set("spark.ui.enabled", "false")
    with engine.SparkContext.getOrCreate(conf) as sc:
        assert sc.appName == "made"


def test_master_and_application_name(engine, make):
    with make() as sc:
        assert sc.master == MASTER
        assert sc.appName == "tests"
        assert isinstance(sc.applicationId, str)
        assert sc.startTime > 0
        assert sc.version >= "3.0"
        assert sc.defaultParallelism >= 1
        assert sc.defaultMinPartitions == min(2, sc.defaultParallelism)


def test_configuration_is_kept_and_copied(engine, make):
    sc = make(my_key="my value")
    conf = sc.getConf()
    assert conf.get("my.key") == "my value"
    conf.set("my.key", "changed")
    assert sc.getConf().get("my.key") == "my value"
    assert conf.get("absent") is None
    assert conf.get("absent", "default") == "default"


def test_default_parallelism_setting_rules_shuffles(make):
    sc = make(spark_default_parallelism="3")
    assert sc.defaultParallelism == 3
    rdd = sc.parallelize([(1, 1)], 5)
    assert rdd.reduceByKey(lambda a, b: a + b).getNumPartitions() == 3


def test_local_properties_and_job_groups(make):
    sc = make()
    sc.setLocalProperty("my.property", "x")
    assert sc.getLocalProperty("my.property") == "x"
    assert sc.getLocalProperty("other") is None
    sc.setJobGroup("group", "description")
    assert sc.parallelize([1], 1).count() == 1


@pytest.mark.minispark_only
def test_bad_masters_name_the_good_ones(engine):
    for master in ("yarn", "k8s://x", "spark://host:7077", "local[0]", "local[x]", "nonsense"):
        with pytest.raises(ValueError, match="local"):
            engine.SparkContext(master, "tests")
    assert engine.SparkContext._active_spark_context is None


@pytest.mark.minispark_only
def test_local_imports_no_ray():
    script = (
        "import sys; from minispark import SparkContext\n"
        "with SparkContext('local', 'x') as sc:\n"
        "    assert sc.parallelize(range(9), 3).map(lambda x: (x % 2, x))"
        ".reduceByKey(lambda a, b: a + b).count() == 2\n"
        "print(sorted({'ray', 'numpy', 'pyarrow'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.minispark_only
def test_a_script_that_never_stops_its_context_ends(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from minispark import SparkContext\n"
        "sc = SparkContext('local-process[2]', 'x')\n"
        "print(sc.parallelize(range(4), 2).sum())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "6\n"
    assert done.stderr == ""
