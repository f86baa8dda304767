"""Statistics, histograms, order and counting distinct: PySpark's figures."""

from __future__ import annotations

import functools
import json
import math
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minispark.errors import PySparkTypeError, PySparkValueError
from minispark.kernels import histogram, ordering, sampling
from minispark.kernels.hll import HyperLogLog
from minispark.kernels.resultiterable import ResultIterable
from minispark.kernels.statcounter import StatCounter


def slices(data, n):
    return [data[i * len(data) // n : (i + 1) * len(data) // n] for i in range(n)]


def test_statistics_are_pysparks(recorded):
    for data, text, default, sample in recorded["stats"].values():
        stats = functools.reduce(StatCounter.mergeStats, map(StatCounter, slices(data, 3)))
        assert repr(stats) == text
        assert {k: repr(float(v)) for k, v in stats.asDict().items()} == default
        assert {k: repr(float(v)) for k, v in stats.asDict(True).items()} == sample


def test_statistics_of_arrays():
    numpy = pytest.importorskip("numpy")
    stats = StatCounter([numpy.array([1.0, 4.0]), numpy.array([3.0, 2.0])])
    assert stats.max().tolist() == [3.0, 4.0]
    assert stats.stdev().tolist() == [1.0, 1.0]


@given(st.lists(st.floats(-1e6, 1e6)), st.integers(0, 20))
def test_merged_statistics_equal_those_of_all(values, cut):
    whole = StatCounter(values)
    merged = StatCounter(values[:cut]).mergeStats(StatCounter(values[cut:]))
    assert merged.count() == whole.count()
    assert (merged.min(), merged.max()) == (whole.min(), whole.max())
    assert math.isclose(merged.mean(), whole.mean(), rel_tol=1e-9, abs_tol=1e-6)


def test_merging_with_itself_and_with_others():
    stats = StatCounter([1, 2])
    assert stats.mergeStats(stats).count() == 4
    assert pickle.loads(pickle.dumps(stats)).mean() == 1.5
    with pytest.raises(TypeError, match="StatCounter"):
        stats.mergeStats(3)


def run_histogram(data, spec):
    parts = slices(data, 2)
    if isinstance(spec, int):
        histogram.check_bucket_count(spec)
        found = [m for m in map(histogram.min_max, parts) if m is not None]
        extremes = histogram.min_max([x for m in found for x in m])
        buckets = histogram.even_buckets(extremes, spec)
    else:
        buckets = histogram.given_buckets(spec)
    counts = [histogram.histogram_counts(p, buckets) for p in parts]
    return [list(buckets.edges), functools.reduce(histogram.merge_counts, counts)]


def test_histograms_are_pysparks(recorded):
    for name, case in recorded["histogram"].items():
        if len(case) == 3:
            data, spec, expected = case
            assert run_histogram(data, spec) == expected, name


@pytest.mark.parametrize(
    ("data", "spec", "error", "words"),
    [
        ([], 2, ValueError, "empty RDD"),
        (["a", "b"], 2, TypeError, "Can not generate buckets with non-number in RDD"),
        ([1], [0], ValueError, "buckets should have more than one value"),
        ([1], [3, 1], ValueError, "buckets should be sorted"),
        ([1], [1, 1], ValueError, "buckets should not contain duplicated values"),
        ([1], [None, 1], ValueError, "can not have None or NaN in buckets"),
        ([1], 0, ValueError, "number of buckets must be >= 1"),
        ([1], "x", TypeError, "buckets should be a list or tuple or number"),
        ([1, float("inf")], 2, ValueError, "infinite value"),
    ],
)
def test_histogram_errors_are_pysparks(data, spec, error, words):
    with pytest.raises(error, match=words):
        run_histogram(data, spec)


@given(st.lists(st.integers(-50, 50), min_size=1), st.integers(1, 12))
def test_even_buckets_count_everything(data, count):
    _, counts = run_histogram(data, count)
    assert sum(counts) == len(data)


def test_ties_are_pysparks(recorded):
    parts = slices([(i % 3, i) for i in range(12)], 3)

    def first(t):
        return t[0]

    largest = functools.reduce(
        lambda a, b: ordering.merge_top(a, b, 5, first), [ordering.top(p, 5, first) for p in parts]
    )
    smallest = functools.reduce(
        lambda a, b: ordering.merge_ordered(a, b, 5, first),
        [ordering.take_ordered(p, 5, first) for p in parts],
    )
    assert [list(t) for t in largest] == recorded["top"]
    assert [list(t) for t in smallest] == recorded["takeOrdered"]


def batches(data, n):
    """The slices of PySpark's `parallelize`: whole batches of up to 1024."""
    size = max(1, min(len(data) // n, 1024))
    parts = slices([data[i : i + size] for i in range(0, len(data), size)], n)
    return [[x for batch in part for x in batch] for part in parts]


def sort(data, n, ascending):
    parts = batches(data, 3)
    fraction = ordering.sort_sample_fraction(n, len(data))
    sampler = sampling.bernoulli_sampler(fraction, ordering.SORT_SAMPLE_SEED)
    samples = [x for i, p in enumerate(parts) for x in sampler(i, p)]
    placement = ordering.RangePlacement(ordering.range_bounds(samples, n), n, ascending)
    placement = pickle.loads(pickle.dumps(placement))
    out = [[] for _ in range(n)]
    for x in data:
        out[placement(x)].append(x)
    out = [ordering.sorted_by(p, None, not ascending) for p in out]
    return [[len(p), p[0], p[-1]] for p in out]


def test_range_partitions_are_pysparks(recorded):
    small = [(x * 7919) % 1000 for x in range(300)]
    big = [(x * 7919) % 10007 for x in range(5000)]
    assert sort(small, 4, True) == recorded["sortparts"]
    assert sort(small, 4, False) == recorded["sortdesc"]
    assert sort(big, 3, True) == recorded["sortbig"]


def test_bounds_are_of_what_keyfunc_gives():
    bounds = ordering.range_bounds(range(100), 4, lambda k: -k)
    placement = ordering.RangePlacement(bounds, 4, True, lambda k: -k)
    places = [placement(k) for k in range(100)]
    assert places == sorted(places, reverse=True)
    assert set(places) == {0, 1, 2, 3}
    assert ordering.range_bounds([], 4) == []


def test_keys_that_do_not_compare_are_shown():
    with pytest.raises(PySparkTypeError, match=r"1 \(int\) and 'a' \(str\) do not compare"):
        ordering.range_bounds([1, "a", 2], 2)
    with pytest.raises(PySparkTypeError, match="do not compare"):
        ordering.RangePlacement([1, 2], 3)("a")


#: What PySpark's countApproxDistinct answered: kind of records, number, relativeSD, answer.
DISTINCT = json.loads(Path(__file__).with_name("distinct.json").read_text())
KINDS = {
    "ints": lambda n: range(n),
    "strs": lambda n: map(str, range(n)),
    "floats": lambda n: (x / 7 for x in range(n)),
    "tuples": lambda n: ((x, str(x)) for x in range(n)),
    "none": lambda n: [None] * n,
    "bytes": lambda n: (b"%d" % x for x in range(n)),
    "mix": lambda n: (x if x % 2 else str(x) for x in range(n)),
    "big": lambda n: (x * 10**12 for x in range(n)),
    "neg": lambda n: (-x for x in range(n)),
    "bool": lambda n: (x % 2 == 0 for x in range(n)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_distinct_counts_are_sparks(kind):
    checked = [case for case in DISTINCT if case[0] == kind]
    assert len(checked) > 10
    for _, count, relative_sd, expected in checked:
        sketch = HyperLogLog(relative_sd).add_all(KINDS[kind](count))
        assert sketch.estimate() == expected, (count, relative_sd)


def test_large_distinct_counts_are_within_the_error():
    sketch = HyperLogLog(0.01).add_all(f"key {i % 50_000}" for i in range(60_000))
    assert abs(sketch.estimate() - 50_000) < 2_000


@pytest.mark.parametrize("sizes", [(10, 20), (10, 20_000), (20_000, 10), (20_000, 20_000)])
def test_merged_sketches_equal_one_sketch(sizes):
    a, b = (range(n) for n in sizes)
    merged = HyperLogLog(0.05).add_all(a)
    merged = merged.merge(pickle.loads(pickle.dumps(HyperLogLog(0.05).add_all(b))))
    assert merged.estimate() == HyperLogLog(0.05).add_all([*a, *b]).estimate()


def test_sketches_refuse_what_they_cannot_do():
    with pytest.raises(ValueError, match="relativeSD"):
        HyperLogLog(0.00001)
    with pytest.raises(PySparkValueError, match="precision"):
        HyperLogLog(0.05).merge(HyperLogLog(0.01))


def test_result_iterable():
    values = ResultIterable([1, 2, 3])
    assert (list(values), list(values), len(values), values.maxindex) == (
        [1, 2, 3],
        [1, 2, 3],
        3,
        3,
    )
    assert list(pickle.loads(pickle.dumps(values)).data) == [1, 2, 3]
