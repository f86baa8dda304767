"""toArrow and toPandas."""

from __future__ import annotations

import sys
from collections import namedtuple

import pytest

pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.minispark_only

Point = namedtuple("Point", "x y")


def test_partitions_become_one_table(sc):
    records = [{"n": n, "s": str(n)} if n % 2 else {"n": n / 2, "extra": [n]} for n in range(100)]
    table = sc.parallelize(records, 7).toArrow()
    assert table.column_names == ["n", "extra", "s"]
    assert table.schema.field("n").type == pa.float64()
    assert table.num_rows == 100
    assert table.to_pylist()[3] == {"n": 3.0, "extra": None, "s": "3"}


def test_after_a_shuffle_with_empty_partitions(sc):
    counts = sc.parallelize(["a", "b", "a"], 3).map(lambda w: (w, 1)).reduceByKey(int.__add__, 8)
    rows = counts.toArrow(["word", "n"]).to_pylist()
    assert sorted(rows, key=str) == [{"word": "a", "n": 2}, {"word": "b", "n": 1}]


def test_namedtuples_and_empty(sc):
    assert sc.parallelize([Point(1, 2.5)], 3).toArrow().to_pydict() == {"x": [1], "y": [2.5]}
    assert sc.emptyRDD().toArrow().num_columns == 0
    schema = pa.schema([("x", pa.int8()), ("y", pa.float32())])
    assert sc.parallelize([(1, 2)], 2).toArrow(schema=schema).schema == schema
    assert sc.emptyRDD().toArrow(schema=schema).schema == schema


def test_conflicts_name_column_and_record(sc, task_fails, still_usable):
    with task_fails(TypeError, match=r"Column 'c'.*'text'"):
        sc.parallelize([{"c": 1}, {"c": "text"}], 1).toArrow()
    with pytest.raises(TypeError, match=r"Column 'c' is int64 in .*1.* and string in .*'text'"):
        sc.parallelize([{"c": 1}, {"c": "text"}], 2).toArrow()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"names": "ab"}, "names"),
        ({"names": [1]}, "names"),
        ({"names": []}, "names"),
        ({"names": ["a", "a"]}, "names"),
        ({"schema": {"a": int}}, "schema"),
        ({"schema": pa.schema([("a", pa.int8())]), "names": ["a"]}, "names"),
    ],
)
def test_arguments_are_checked_at_the_call(sc, arguments, name):
    with pytest.raises((TypeError, ValueError), match=f"`{name}`"):
        sc.emptyRDD().toArrow(**arguments)


def test_a_frame(sc):
    pandas = pytest.importorskip("pandas")
    records = [(1, "a"), (None, "b"), (2**53 + 1, None)]
    frame = sc.parallelize(records, 2).toPandas(["n", "s"])
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["n", "s"]
    assert frame["n"].tolist()[2] == 2**53 + 1
    small = sc.parallelize([(1,), (None,)], 2).toPandas(["n"])
    assert small["n"].dtype == float


def test_without_pandas_the_error_says_what_to_install(sc, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"minispark\[pandas\]"):
        sc.emptyRDD().toPandas()


def test_to_df_names_what_there_is(sc):
    with pytest.raises(NotImplementedError, match=r"toArrow\(\).*toPandas\(\)"):
        sc.parallelize([(1, 2)]).toDF(["a", "b"])
