"""Merging runs is sorting, equal keys in the order of the runs."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter

from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.shuffle.runs import merge_runs

keys = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 1.5, True, False, 1 << 70, -(1 << 70), float("inf")]),
)


def cut(run, size):
    return [run[i : i + size] for i in range(0, len(run), size)]


@given(st.lists(st.lists(keys, max_size=30), max_size=6), st.booleans(), st.integers(1, 7))
@settings(max_examples=200, deadline=None)
def test_merging_is_a_stable_sort(runs, reverse, size):
    rows = [[(k, (i, j)) for j, k in enumerate(run)] for i, run in enumerate(runs)]
    rows = [sorted(run, key=itemgetter(0), reverse=reverse) for run in rows]
    expected = sorted(chain.from_iterable(rows), key=itemgetter(0), reverse=reverse)
    frames = [iter([*cut(run, size), []]) for run in rows]
    merged = list(chain.from_iterable(merge_runs(frames, itemgetter(0), reverse)))
    assert [(repr(k), v) for k, v in merged] == [(repr(k), v) for k, v in expected]


def test_keys_without_an_order_lose_no_record():
    nan = float("nan")
    runs = [[(nan, 1), (2.0, 2), (nan, 3)], [(1.0, 4), (nan, 5)], [(nan, 6)]]
    merged = chain.from_iterable(merge_runs([iter(cut(run, 2)) for run in runs], itemgetter(0)))
    assert sorted(v for _, v in merged) == [1, 2, 3, 4, 5, 6]


def test_no_more_than_a_frame_of_each_run_is_read_ahead():
    read = []

    def run(start):
        for i in range(100):
            read.append(start)
            yield [((2 * i + start), None)]

    merged = merge_runs([run(0), run(1)], itemgetter(0))
    next(merged)
    assert len(read) <= 4
