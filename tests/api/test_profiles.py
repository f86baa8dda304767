"""Profiles of tasks."""

from __future__ import annotations

import os
import pstats
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.own_context, pytest.mark.minispark_only]

MASTERS = ["local", "local-process[2]"]


def slow_square(x):
    return x * x


def square_partition(records):
    return [slow_square(x) for x in records]


@pytest.mark.parametrize("master", MASTERS)
def test_the_users_functions_are_in_the_profile(open_context, master, capsys, tmp_path):
    with open_context(master, spark_python_profile="true") as sc:
        rdd = sc.parallelize(range(100), 4).mapPartitions(square_partition)
        assert rdd.sum() == 328350
        sc.show_profiles()
        shown = capsys.readouterr().out
        assert f"Profile of RDD<id={rdd.id()}>" in shown
        assert "slow_square" in shown
        assert " 100 " in shown.partition("slow_square")[0].splitlines()[-1]
        sc.show_profiles()
        assert capsys.readouterr().out == ""  # nothing new
        rdd.sum()
        sc.dump_profiles(str(tmp_path / "profiles"))
        assert os.listdir(tmp_path / "profiles") == [f"rdd_{rdd.id()}.pstats"]
        stats = pstats.Stats(str(tmp_path / "profiles" / f"rdd_{rdd.id()}.pstats"))
        calls = {name[2]: figures[1] for name, figures in stats.stats.items()}
        assert calls["slow_square"] == 200
        sc.dump_profiles(str(tmp_path / "nothing"))
        assert not (tmp_path / "nothing").exists()


def test_each_stage_has_a_profile(open_context, tmp_path):
    with open_context("local", spark_python_profile="true") as sc:
        pairs = sc.parallelize(range(10), 2).map(lambda x: (slow_square(x) % 3, 1))
        counts = pairs.reduceByKey(lambda a, b: a + b)
        assert dict(counts.collect()) == {0: 4, 1: 6}
        sc.dump_profiles(str(tmp_path))
        assert len(os.listdir(tmp_path)) == 2
        # What was written is not added to again.
        assert dict(counts.collect()) == {0: 4, 1: 6}
        sc.dump_profiles(str(tmp_path / "again"))
        assert len(os.listdir(tmp_path / "again")) >= 1


def test_failed_attempts_count_nothing(open_context, tmp_path):
    from minispark import TaskContext

    def fail_first(x):
        if TaskContext.get().attemptNumber() == 0:
            raise ValueError("the first time")
        return slow_square(x)

    with open_context("local-process[2]", spark_python_profile="true") as sc:
        rdd = sc.parallelize([3], 1).map(fail_first)
        assert rdd.collect() == [9]
        sc.dump_profiles(str(tmp_path))
        stats = pstats.Stats(str(tmp_path / f"rdd_{rdd.id()}.pstats"))
        calls = {name[2]: figures[1] for name, figures in stats.stats.items()}
        assert calls["fail_first"] == 1


def test_a_profiler_of_ones_own(engine, capsys):
    class Mine(engine.BasicProfiler):
        def show(self, id):
            print("mine", id)

    conf = engine.SparkConf().setMaster("local").set("spark.python.profile", "true")
    with engine.SparkContext(conf=conf, profiler_cls=Mine) as sc:
        rdd = sc.parallelize([1]).map(slow_square)
        assert rdd.collect() == [1]
        sc.show_profiles()
        assert capsys.readouterr().out == f"mine {rdd.id()}\n"


def test_a_profiler_must_be_one(engine):
    with pytest.raises(TypeError, match="profiler_cls"):
        engine.SparkContext("local", profiler_cls=dict)
    with engine.SparkContext("local") as sc:
        assert sc.parallelize([1]).count() == 1


def test_without_the_setting_there_is_nothing(open_context):
    with open_context("local") as sc:
        sc.parallelize([1]).count()
        for call in (sc.show_profiles, lambda: sc.dump_profiles("x")):
            with pytest.raises(RuntimeError, match=r"spark\.python\.profile"):
                call()


@pytest.mark.parametrize("dump", [False, True])
def test_profiles_come_at_the_programs_end(tmp_path, dump):
    script = tmp_path / "script.py"
    script.write_text(
        "from minispark import SparkConf, SparkContext\n"
        "conf = SparkConf().setMaster('local').set('spark.python.profile', 'true')\n"
        + (f"conf.set('spark.python.profile.dump', {str(tmp_path / 'd')!r})\n" if dump else "")
        + "sc = SparkContext(conf=conf)\n"
        "def slow_square(x): return x * x\n"
        "rdd = sc.parallelize([1, 2]).map(slow_square)\n"
        "assert rdd.collect() == [1, 4]\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ("slow_square" in ran.stdout) is not dump
    assert (tmp_path / "d").exists() is dump
