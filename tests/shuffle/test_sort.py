"""External sorting is `sorted`, spilled or not."""

from __future__ import annotations

import random
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.errors import PySparkTypeError
from minispark.plan.nodes import Ordering
from minispark.shuffle.sort import ExternalSorter
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager


def pairs(count, keys):
    rng = random.Random(count)
    return [(rng.randrange(keys), i) for i in range(count)]


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("keyfunc", [None, lambda k: -k, lambda k: k % 7])
@pytest.mark.parametrize(("count", "keys"), [(0, 1), (1, 1), (2000, 20), (20_000, 10**6)])
def test_sorted_and_stable(task, memory, count, keys, keyfunc, ascending):
    rows = pairs(count, keys)
    key = (lambda kv: kv[0]) if keyfunc is None else (lambda kv: keyfunc(kv[0]))
    with ExternalSorter(Ordering(ascending, keyfunc), **task) as sorter:
        found = list(sorter.sort(iter(rows)))
        assert sorter.is_spilled is False or memory.total_bytes < 10**6
    assert found == sorted(rows, key=key, reverse=not ascending)


def test_more_runs_than_are_merged_at_a_time(files):
    rows = pairs(20_000, 50)
    sorter = ExternalSorter(
        Ordering(False, None), files=files, memory=MemoryManager(1000), task_id=1
    )
    result = sorter.sort(rows)
    assert len(sorter._runs) > 64
    assert list(result) == sorted(rows, key=lambda kv: kv[0], reverse=True)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers())),
    st.booleans(),
    st.sampled_from([200, 10**9]),
)
@settings(max_examples=50, deadline=None)
def test_any_pairs(rows, ascending, budget):
    with tempfile.TemporaryDirectory() as root:
        sorter = ExternalSorter(
            Ordering(ascending, None),
            files=NodeFiles(root),
            memory=MemoryManager(budget),
            task_id=1,
        )
        found = list(sorter.sort(rows))
        assert found == sorted(rows, key=lambda kv: kv[0], reverse=not ascending)


def test_keys_that_do_not_compare(task):
    sorter = ExternalSorter(Ordering(True, None), **task)
    with sorter, pytest.raises(PySparkTypeError, match="do not compare"):
        list(sorter.sort([(1, 1), ("a", 2), (None, 3)]))


def test_error_of_the_key_function_passes_unchanged(task):
    def broken(key):
        raise ZeroDivisionError("mine")

    sorter = ExternalSorter(Ordering(True, broken), **task)
    with sorter, pytest.raises(ZeroDivisionError, match="^mine$"):
        list(sorter.sort([(1, 1), (2, 2)]))
