"""Small functions stand in the generated loop: nothing a program sees differs."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

OFFSET = 1


def _line() -> int:
    """The line of the caller."""
    return inspect.currentframe().f_back.f_lineno  # type: ignore[union-attr]


def _failure(compute: Any, kind: type[Exception] = ZeroDivisionError) -> str:
    with pytest.raises(kind) as caught:
        compute()
    return str(caught.value.__cause__)


def inverse(x):
    return 1 // x


@pytest.mark.minispark_only
class TestAFailureShows:
    def test_the_line_of_the_lambda_and_the_record(self, sc):
        rdd = sc.parallelize([2, 1], 1).map(lambda x: x - 1).map(lambda x: (x, x))
        rdd = rdd.mapValues(lambda v: v - 1).map(lambda kv: (kv[0], 1 // kv[1]))
        line = _line() - 1
        text = _failure(rdd.collect)
        assert f'{__file__}", line {line}, in <lambda>' in text
        assert "Record: (1, 0)" in text
        assert text.count("in <lambda>") == 1
        assert "minispark/plan" not in text

    @pytest.mark.parametrize(
        "action",
        [
            lambda rdd: rdd.collect(),
            lambda rdd: rdd.count(),
            lambda rdd: rdd.foreach(print),
            lambda rdd: rdd.reduce(lambda a, b: a),
            lambda rdd: rdd.countByValue(),
            lambda rdd: rdd.take(1),
            lambda rdd: rdd.cache().count(),
            lambda rdd: rdd.sum(),
            lambda rdd: rdd.distinct().collect(),
            lambda rdd: rdd.map(lambda x: (x, 1)).reduceByKey(max).collect(),
        ],
    )
    def test_the_same_with_every_action(self, sc, action):
        rdd = sc.parallelize([0], 1).map(lambda x: x).map(lambda x: 1 // x)
        line = _line() - 1
        text = _failure(lambda: action(rdd))
        assert f'{__file__}", line {line}, in <lambda>' in text
        assert "Record: 0" in text

    def test_the_name_of_a_function(self, sc):
        text = _failure(sc.parallelize([0], 1).map(lambda x: x).map(inverse).collect)
        line = inverse.__code__.co_firstlineno + 1
        assert f'{__file__}", line {line}, in inverse' in text

    def test_the_value_a_map_values_failed_on(self, sc):
        rdd = sc.parallelize([5], 1).map(lambda x: ("k", x - 5)).mapValues(lambda v: 1 // v)
        assert "Record: ('k', 0)" in _failure(rdd.collect)

    def test_frames_below_the_lambda(self, sc):
        def deep(x):
            return inverse(x) + 1

        rdd = sc.parallelize([0], 1).map(lambda x: x).map(lambda x: deep(x))
        line = _line() - 1
        text = _failure(rdd.collect)
        names = [part.split("\n")[0] for part in text.split(", in ")[1:]]
        assert names[-3:] == ["<lambda>", "deep", "inverse"]
        assert f'{__file__}", line {line}, in <lambda>' in text

    def test_what_it_was_caused_by(self, sc):
        def chained(x):
            try:
                return 1 // x
            except ZeroDivisionError as error:
                raise LookupError("while dividing") from error

        rdd = sc.parallelize([0], 1).map(lambda x: x).map(lambda x: (chained(x), 1))
        text = _failure(rdd.collect, LookupError)
        assert "ZeroDivisionError" in text
        assert text.count("in <lambda>") == 1


def test_stop_iteration_does_not_end_a_partition(sc):
    rdd = sc.parallelize([1, 2, 3], 1).map(lambda x: x).map(lambda x: next(iter(())))
    for action in (rdd.collect, rdd.count, lambda: rdd.foreach(print), lambda: rdd.take(2)):
        with pytest.raises(Exception, match="StopIteration"):
            action()


def test_a_global_is_seen_as_of_the_first_action(sc):
    global OFFSET
    OFFSET = 1
    rdd = sc.parallelize([1, 2], 1).map(lambda x: x).map(lambda x: x + OFFSET)
    try:
        OFFSET = 10
        assert rdd.collect() == [11, 12]
        OFFSET = 100
        assert rdd.collect() == [11, 12]
        assert rdd.map(lambda x: x).collect() == [101, 102]
    finally:
        OFFSET = 1


def test_a_loop_variable_means_what_it_means_in_python(sc):
    rdd = sc.parallelize([0], 1)
    for k in range(3):
        rdd = rdd.map(lambda x: x + k)  # noqa: B023
    assert rdd.collect() == [6]
    for k in range(3):
        rdd = rdd.map(lambda x, k=k: x + k)
    assert rdd.collect() == [9]
    rdd = sc.parallelize([0], 1)
    for k in range(1, 4):
        rdd = rdd.map(lambda x: x + k).union(sc.parallelize([], 1))  # noqa: B023
    assert rdd.collect() == [6]


def test_accumulators_in_an_expression(sc):
    seen = sc.accumulator(0)
    rdd = sc.parallelize(range(10), 2).map(lambda x: x).filter(lambda x: seen.add(1) is None)
    assert rdd.count() == 10
    assert seen.value == 10


@pytest.mark.minispark_only
def test_take_computes_no_further_record(sc):
    seen = sc.accumulator(0)
    rdd = sc.parallelize(range(10), 1).map(lambda x: x).map(lambda x: (seen.add(1), x)[1])
    assert rdd.take(3) == [0, 1, 2]
    assert seen.value == 3


def test_odd_records_keep_their_types(sc):
    rdd = sc.parallelize([True, 1, 1.0, -0.0, 10**30, None], 1)
    pairs = rdd.map(lambda x: (x, x)).mapValues(lambda v: v).map(lambda kv: (kv[1], kv[0]))
    assert [type(v) for _, v in pairs.collect()] == [bool, int, float, float, int, type(None)]


@pytest.mark.minispark_only
def test_the_frame_of_a_function_is_its_own_when_it_looks(sc):
    rdd = sc.parallelize([1], 1).map(lambda x: x).map(lambda x: sorted(locals()))
    assert rdd.collect() == [["x"]]
    named = sc.parallelize([1], 1).map(lambda x: sys._getframe().f_code.co_name)
    assert named.collect() == ["<lambda>"]


@pytest.mark.minispark_only
def test_explain_says_what_is_put_in(sc, capsys):
    rdd = sc.parallelize([1], 1).map(lambda x: x + 1).filter(bool).keyBy(lambda x: x)
    rdd.explain()
    assert "fused in one loop: map, filter, keyBy (2 of 3 functions put in)" in (
        capsys.readouterr().out
    )
