"""Settings from flags, files and the environment, and which of them wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from minispark import SparkConf
from minispark.ambient import ambient, properties, submit_arguments
from minispark.errors import InvalidPathError

FILE = """
# a comment
! another
spark.master            local-process[3]
spark.app.name=from the file
spark.executor.memory : 2g
spark.long  a \\
            b
  spark.bare
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spark-defaults.conf"
    path.write_text(FILE)
    return path


def test_a_file_as_spark_writes_it(file: Path) -> None:
    assert properties(str(file)) == {
        "spark.master": "local-process[3]",
        "spark.app.name": "from the file",
        "spark.executor.memory": "2g",
        "spark.long": "a b",
        "spark.bare": "",
    }


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPathError, match="absent"):
        properties(str(tmp_path / "absent"))


def test_submit_arguments(file: Path) -> None:
    text = f"--master local[2] --conf spark.a=1=2 --conf=spark.b='x y' --properties-file {file}"
    found = submit_arguments(f"{text} --supervise --name mine --packages a:b:1 pyspark-shell")
    assert found["spark.master"] == "local[2]"
    assert (found["spark.a"], found["spark.b"]) == ("1=2", "x y")
    assert (found["spark.app.name"], found["spark.jars.packages"]) == ("mine", "a:b:1")
    assert found["spark.executor.memory"] == "2g"


@pytest.mark.parametrize("text", ["--master", "--conf --master", "--conf novalue"])
def test_flags_without_value_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="PYSPARK_SUBMIT_ARGS"):
        submit_arguments(text)


def test_the_strongest_comes_first(file: Path) -> None:
    environment = {
        "PYSPARK_SUBMIT_ARGS": "--master local[7] pyspark-shell",
        "SPARK_CONF_DIR": str(file.parent),
        "MASTER": "local",
        "SPARK_HOME": "/somewhere/else",
    }
    found = list(ambient({"spark.master": "local[8]"}, None, environment))
    assert [value for key, value, _ in found if key == "spark.master"] == [
        "local[8]",
        "local[7]",
        "local-process[3]",
        "local",
    ]


def test_a_named_file_replaces_the_one_of_the_directory(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.conf"
    other.write_text("spark.app.name other")
    found = list(ambient({}, str(other), {"SPARK_CONF_DIR": str(file.parent)}))
    assert found == [("spark.app.name", "other", str(other))]


def test_code_wins_over_flags_over_file_over_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_CONF_DIR", str(file.parent))
    monkeypatch.setenv("MASTER", "local")
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    assert SparkConf().get("spark.master") == "local-process[3]"
    monkeypatch.setitem(SparkConf.defaults, "spark.master", "local[4]")
    monkeypatch.setitem(SparkConf.defaults, "some.property", "kept out")
    assert SparkConf().get("spark.master") == "local[4]"
    assert SparkConf().setMaster("local[5]").get("spark.master") == "local[5]"
    assert not SparkConf().contains("some.property")
    assert not SparkConf(loadDefaults=False).contains("spark.master")


def test_a_wrong_value_names_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.task.maxFailures many")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=r"maxFailures.*spark-defaults\.conf"):
        SparkConf()
