"""The smaller names of the context; each test runs on PySpark as well."""

from __future__ import annotations

import getpass
import os
import time

import pytest


def test_facts(sc, engine):
    assert sc.uiWebUrl is None
    assert isinstance(sc.startTime, int)
    assert 0 < sc.startTime <= time.time() * 1000
    assert isinstance(sc.applicationId, str)
    assert sc.sparkUser() == os.environ.get("SPARK_USER", getpass.getuser())
    assert sc.defaultMinPartitions == min(2, sc.defaultParallelism)
    assert (sc.version >= "3.0", sc.appName, sc.resources) == (True, "tests", {})
    assert {".zip", ".egg", ".jar"} == set(engine.SparkContext.PACKAGE_EXTENSIONS)
    copy = sc.getConf()
    copy.set("spark.app.name", "other")
    assert sc.appName == "tests"
    assert sc.getConf().get("spark.app.name") == "tests"


def test_tags_are_the_threads(sc):
    sc.clearJobTags()
    assert set(sc.getJobTags()) == set()
    sc.addJobTag("a")
    sc.addJobTag("b")
    sc.addJobTag("a")
    try:
        assert set(sc.getJobTags()) == {"a", "b"}
        sc.removeJobTag("a")
        sc.removeJobTag("never there")
        assert set(sc.getJobTags()) == {"b"}
        for bad in ("", "a,b"):
            with pytest.raises(Exception, match=r"(?i)tag"):
                sc.addJobTag(bad)
    finally:
        sc.clearJobTags()
    assert set(sc.getJobTags()) == set()


def test_descriptions_and_groups_are_properties(sc):
    sc.setJobDescription("what it does")
    assert sc.getLocalProperty("spark.job.description") == "what it does"
    sc.setJobGroup("group", "of jobs", True)
    assert sc.getLocalProperty("spark.jobGroup.id") == "group"
    assert sc.getLocalProperty("spark.job.description") == "of jobs"
    assert sc.getLocalProperty("spark.job.interruptOnCancel") == "true"
    for key in ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel"):
        sc.setLocalProperty(key, None)
        assert sc.getLocalProperty(key) is None


def test_system_properties_are_defaults_of_later_confs(engine, sc):
    engine.SparkContext.setSystemProperty("spark.of.tests", "first")
    assert engine.SparkConf().get("spark.of.tests") == "first"
    engine.SparkContext.setSystemProperty("spark.of.tests", "second")
    assert engine.SparkConf().get("spark.of.tests") == "second"
    assert engine.SparkConf().set("spark.of.tests", "own").get("spark.of.tests") == "own"
    assert engine.SparkConf(False).get("spark.of.tests") is None
    engine.SparkContext.setSystemProperty("of.tests", "not Spark's")
    assert engine.SparkConf().get("of.tests") is None


def test_binary_files(sc, tmp_path):
    contents = {"a.bin": b"\x00\xff", "b.bin": b"", "c.gz": b"not compressed at all"}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    rdd = sc.binaryFiles(str(tmp_path))
    found = dict(rdd.collect())
    assert {os.path.basename(path): bytes(data) for path, data in found.items()} == contents
    assert all(path == f"file:{tmp_path}/{os.path.basename(path)}" for path in found)
    assert {type(data) for data in found.values()} == {bytes}
    assert sc.binaryFiles(str(tmp_path), 3).count() == 3
    assert sc.binaryFiles(f"{tmp_path}/*.bin").count() == 2
    with pytest.raises(Exception, match="nowhere"):
        sc.binaryFiles(str(tmp_path / "nowhere")).count()


def test_binary_records(sc, tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(12)))
    (tmp_path / "b").write_bytes(b"")
    records = sc.binaryRecords(str(tmp_path), 4).collect()
    assert records == [bytes(range(n, n + 4)) for n in (0, 4, 8)]
    assert {type(record) for record in records} == {bytes}
    with pytest.raises(Exception, match=r"(?i)record|multiple|partial|length"):
        sc.binaryRecords(str(tmp_path), 5).collect()
    with pytest.raises(Exception, match=r"(?i)record ?length|positive|invalid|0"):
        sc.binaryRecords(str(tmp_path), 0).collect()


def test_a_checkpoint_directory_is_below_the_one_given(sc, tmp_path):
    sc.setCheckpointDir(str(tmp_path / "checkpoints"))
    chosen = sc.getCheckpointDir()
    assert chosen.removeprefix("file:").startswith(str(tmp_path / "checkpoints") + "/")
    rdd = sc.parallelize([1, 2], 2).map(lambda x: x + 1)
    rdd.checkpoint()
    assert rdd.collect() == [2, 3]
    assert rdd.isCheckpointed()
    assert rdd.getCheckpointFile().startswith(chosen)


def test_run_job(sc):
    rdd = sc.parallelize(range(6), 3)
    assert sc.runJob(rdd, lambda part: [sum(part)]) == [1, 5, 9]
    assert sc.runJob(rdd, lambda part: [x * x for x in part], [2, 0], True) == [16, 25, 0, 1]


@pytest.mark.minispark_only
@pytest.mark.parametrize("name", ["_jvm", "_jsc", "_gateway"])
def test_there_is_no_jvm(sc, name):
    with pytest.raises(NotImplementedError, match=rf"{name}.*no JVM"):
        getattr(sc, name)
    assert not hasattr(sc, name)
    with pytest.raises(NotImplementedError, match=r"_jrdd.*no JVM"):
        _ = sc.parallelize([1])._jrdd


@pytest.mark.minispark_only
@pytest.mark.parametrize(
    ("method", "arguments", "instead"),
    [
        ("saveAsHadoopFile", ("p", "f"), "saveAsSequenceFile"),
        ("saveAsNewAPIHadoopFile", ("p", "f"), "saveAsSequenceFile"),
        ("saveAsHadoopDataset", ({},), "saveAsSequenceFile"),
        ("saveAsNewAPIHadoopDataset", ({},), "saveAsSequenceFile"),
        ("toDF", (), "toArrow"),
    ],
)
def test_what_an_rdd_cannot_do_names_what_it_can(sc, method, arguments, instead):
    with pytest.raises(NotImplementedError, match=rf"{method}\(\).*{instead}\(\)"):
        getattr(sc.parallelize([(1, 2)]), method)(*arguments)
