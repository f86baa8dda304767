"""Batches as PySpark makes them, which show in the order of a product."""

from __future__ import annotations

import itertools
import pickle

import pytest

from minispark.plan import batches


def test_fixed_batches() -> None:
    assert [*batches.cut(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [*batches.cut([], 3)] == []


def test_batches_double_while_they_are_small() -> None:
    assert [len(found) for found in batches.cut(range(40), batches.AUTO)] == [1, 2, 4, 8, 16, 9]


def test_batches_stay_when_they_are_large_and_halve_far_above() -> None:
    large, huge = "x" * 70_000, "y" * 700_000
    assert [len(found) for found in batches.cut([large] * 3, batches.AUTO)] == [1, 1, 1]
    records = ["a", "b", "c", "d", "e", "f", "g", *(huge + str(n) for n in range(12))]
    assert [len(found) for found in batches.cut(records, batches.AUTO)] == [1, 2, 4, 8, 4]


def test_what_cannot_be_pickled_is_cut_all_the_same() -> None:
    records = [lambda: 1, lambda: 2, lambda: 3]
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(records)
    assert list(itertools.chain(*batches.cut(records, batches.AUTO))) == records


def test_a_union_is_batched_as_its_members_if_they_agree() -> None:
    assert batches.common([4, 4]) == 4
    assert batches.common([4, 5]) == batches.common([4, batches.AUTO]) == batches.AUTO
    assert batches.common([batches.OWN, batches.OWN]) == batches.OWN


def test_a_zip_takes_the_smaller_batches() -> None:
    assert batches.zipped(4, 4) == 4
    assert batches.zipped(4, 7) == 4
    assert batches.zipped(batches.AUTO, batches.AUTO) == 100
    assert batches.zipped(batches.AUTO, 7) == 100
    assert batches.zipped(batches.OWN, 7) == 1


def test_products_go_batch_by_batch() -> None:
    pairs = batches.products([[1, 2], [3]], iter([["a"], ["b", "c"]]), list)
    assert [list(part) for part in pairs] == [
        [(1, "a"), (2, "a")],
        [(1, "b"), (1, "c"), (2, "b"), (2, "c")],
        [(3, "a")],
        [(3, "b"), (3, "c")],
    ]
    assert list(batches.products([[1]], [], list)) == []
