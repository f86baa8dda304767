"""Cutting sorted batches places keys as placing each does; one pass samples as two do."""

from __future__ import annotations

import math
import pickle
from operator import itemgetter

from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.kernels.dealing import deal_by_hash, portable_places, scatter_by_hash
from minispark.kernels.hashing import portable_hash
from minispark.kernels.ordering import (
    SORT_SAMPLE_SEED,
    RangeCut,
    RangePlacement,
    range_bounds,
    sort_sample_fraction,
)
from minispark.kernels.sampling import sampler
from minispark.kernels.sortsample import count_and_sample, joined_sample
from minispark.shuffle.placing import deal, scatter


class Str(str):
    __slots__ = ()


class Int(int):
    pass


class Tuple(tuple):
    __slots__ = ()


numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(-(1 << 80), 1 << 80),
    st.booleans(),
    st.floats(),
    st.sampled_from([math.nan, -0.0, 0.0, Int(3)]),
)
ints, floats = st.integers(-50, 50), st.floats()
texts = st.text(st.characters(), max_size=3)
odd_texts = texts | texts.map(Str) | st.just("\udc80")
key_lists = st.one_of(
    *(st.lists(s, max_size=60) for s in (ints, floats, numbers, texts, odd_texts))
)


@given(key_lists, st.integers(2, 5), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_cutting_places_like_placing(keys, partitions, ascending, with_keyfunc):
    keyfunc = (lambda k: k[::-1] if isinstance(k, str) else -k) if with_keyfunc else None
    bounds = range_bounds(keys[::2], partitions, keyfunc)
    placement = RangePlacement(bounds, partitions, ascending, keyfunc)
    rows = [(k, i) for i, k in enumerate(keys)]
    parts = RangeCut(placement).cut(keys, list(range(len(keys))))
    assert placement.many(keys) == [placement(k) for k in keys]
    if parts is None:
        return
    expected = {}
    for k, i in rows:
        expected.setdefault(placement(k), []).append((k, i))
    by = itemgetter(0) if keyfunc is None else lambda row: keyfunc(row[0])
    for p in expected:
        expected[p].sort(key=by, reverse=not ascending)
    found = {p: list(zip(ks, vs, strict=True)) for p, ks, vs in parts}
    assert repr(sorted(found.items())) == repr(sorted(expected.items()))


def test_what_is_cut_and_what_is_not():
    def cut(bounds, keys):
        return RangeCut(RangePlacement(bounds, len(bounds) + 1)).cut(keys, [0] * len(keys))

    assert cut([2], [3, 1, 2]) == [(0, [1, 2], [0, 0]), (1, [3], [0])]
    assert cut(["b"], ["b", "a", "c"]) is not None
    assert cut([2.0], [3.0, -0.0, 0.0]) is not None
    for bounds, keys in [
        ([2], [1, True]),
        ([2], [1, 2.5]),
        ([2], [1, Int(3)]),
        ([2.0], [1.0, math.nan]),
        ([math.nan], [1]),
        ([math.nan], [1.0]),
        ([2.0, math.nan, 1.0], [0.0, 1.5, 3.0]),
        ([2.0, 1.0], [0.0, 1.5, 3.0]),
        (["b"], ["a", Str("c")]),
        ([(1,)], [(1,), (2,)]),
        ([2, 1.5], [1, 2, 3]),
        ([1, 2, 3, 4], [5, 6]),
    ]:
        assert cut(bounds, keys) is None


def test_a_cut_can_be_shipped():
    placement = RangePlacement([1, 2], 3)
    again = pickle.loads(pickle.dumps(RangeCut(placement)))
    assert [again(k) for k in (0, 1, 2, 3)] == [0, 0, 1, 2]
    pairs = [3, 1, 2], ["c", "a", "b"]
    assert again.cut(*pairs) == RangeCut(placement).cut(*pairs)


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=5), st.integers(2, 40))
@settings(max_examples=40, deadline=None)
def test_one_pass_draws_the_sample_of_two(sizes, partitions):
    data = [[(f"{i}/{j}", None) for j in range(size)] for i, size in enumerate(sizes)]
    fraction = sort_sample_fraction(partitions, sum(sizes))
    two = sampler(False, fraction, SORT_SAMPLE_SEED)
    expected = [k for i, rows in enumerate(data) for k, _ in two(i, rows)]
    parts = [count_and_sample(partitions, len(sizes), i, iter(rows)) for i, rows in enumerate(data)]
    assert [part.size for part in parts] == sizes
    found = joined_sample(partitions, parts)
    if found is None:
        assert max(sizes) > 3 * sum(sizes) / len(sizes)
    else:
        assert found == expected


def test_keys_of_a_skewed_partition_are_not_passed_off_as_the_sample():
    parts = [count_and_sample(2, 8, 0, iter([(i, 0) for i in range(50_000)]))]
    parts += [count_and_sample(2, 8, i, iter([])) for i in range(1, 8)]
    assert joined_sample(2, parts) is None
    assert len(parts[0].keys) < 100


odd_keys = st.one_of(
    numbers,
    odd_texts,
    st.none(),
    st.binary(max_size=3),
    st.tuples(st.none() | st.floats(), odd_texts),
    st.builds(Tuple, st.lists(ints, max_size=2)),
)


@given(st.one_of(st.lists(odd_keys), key_lists), st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_placing_many_is_placing_each(keys, number):
    assert portable_places(keys, number) == [portable_hash(k) % number for k in keys]


@given(st.one_of(st.lists(odd_keys), key_lists), st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_dealing_keys_and_scattering_pairs_is_placing_each(keys, number):
    """The keys themselves, not equal ones, in their order, each with its own value."""
    values = [object() for _ in keys]
    expected = [[] for _ in range(number)]
    for key, value in zip(keys, values, strict=True):
        expected[portable_hash(key) % number].append((id(key), value))

    def paired(key_hands, value_hands):
        return [
            [(id(k), v) for k, v in zip(*hands, strict=True)]
            for hands in zip(key_hands, value_hands, strict=True)
        ]

    hands = [[] for _ in range(number)]
    assert deal_by_hash(keys, hands) == len(keys)
    assert [list(map(id, hand)) for hand in hands] == [[i for i, _ in h] for h in expected]
    key_hands, value_hands = [[] for _ in range(number)], [[] for _ in range(number)]
    scatter_by_hash(keys, values, key_hands, value_hands)
    assert paired(key_hands, value_hands) == expected
    for partition in (portable_hash, lambda k: portable_hash(k)):
        key_hands, value_hands = [[] for _ in range(number)], [[] for _ in range(number)]
        touched = scatter(keys, values, partition, key_hands, value_hands)
        assert paired(key_hands, value_hands) == expected
        assert {p for p in range(number) if key_hands[p]} <= set(touched)
        assert [list(map(id, h)) for h in deal(keys, partition, number)] == [
            list(map(id, h)) for h in key_hands
        ]
