"""Samples have the very elements PySpark draws."""

from __future__ import annotations

import ast
import pickle

import pytest

from minispark.errors import PySparkTypeError
from minispark.kernels import sampling

PARTITIONS = [range(0, 13), range(13, 26), range(26, 40)]


def apply(sampler, partitions=PARTITIONS):
    sampler = pickle.loads(pickle.dumps(sampler))
    return [list(sampler(i, p)) for i, p in enumerate(partitions)]


def test_samples_are_pysparks(recorded):
    checked = 0
    for name, expected in recorded["sampling"].items():
        kind, *args = name.split()
        if kind == "sample":
            replacement, fraction, seed = map(ast.literal_eval, args)
            assert apply(sampling.sampler(replacement, fraction, seed)) == expected, name
            checked += 1
    assert checked == 40


def test_take_sample_is_pysparks(recorded):
    def collect(sampler):
        parts = PARTITIONS if sampler is None else apply(sampler)
        return [x for p in parts for x in p]

    for replacement in (False, True):
        for num in (1, 5, 20, 45):
            expected = recorded["sampling"][f"takeSample {replacement} {num}"]
            got = sampling.take_sample(replacement, num, 11, lambda: 40, collect)
            assert got == expected, (replacement, num)


def test_stratified_samples_are_pysparks(recorded):
    pairs = [[(x % 3, x) for x in p] for p in PARTITIONS]
    for replacement in (False, True):
        sampler = sampling.stratified_sampler(replacement, {0: 0.2, 1: 0.5, 2: 1.5}, 5)
        got = [[list(kv) for kv in p] for p in apply(sampler, pairs)]
        assert got == recorded["sampling"][f"byKey {replacement}"]


def test_random_split_is_pysparks_and_loses_nothing(recorded):
    bounds = sampling.split_bounds([1, 2, 3])
    parts = [apply(sampling.range_sampler(low, high, 17)) for low, high in bounds]
    assert parts == recorded["sampling"]["split"]
    assert sorted(x for part in parts for p in part for x in p) == list(range(40))


def test_without_a_seed_a_sampler_still_repeats_itself():
    sampler = sampling.bernoulli_sampler(0.5)
    assert apply(sampler) == apply(sampler)


def nothing():
    raise AssertionError("no job was needed")


def test_take_sample_of_nothing_runs_nothing():
    assert sampling.take_sample(False, 0, 1, nothing, nothing) == []
    assert sampling.take_sample(False, 3, 1, lambda: 0, nothing) == []


def test_bad_arguments():
    for bad in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="Fraction"):
            sampling.sampler(False, bad)
    with pytest.raises(ValueError, match="nonnegative"):
        sampling.split_bounds([1, -1])
    with pytest.raises(ValueError, match="positive"):
        sampling.split_bounds([0, 0])
    with pytest.raises(ValueError, match="'k'"):
        sampling.stratified_sampler(False, {"k": -1.0})
    with pytest.raises(ValueError, match="negative"):
        sampling.take_sample(False, -1, 1, nothing, nothing)
    with pytest.raises(ValueError, match="greater"):
        sampling.take_sample(False, 1 << 63, 1, nothing, nothing)
    with pytest.raises(PySparkTypeError, match="seed"):
        sampling.bernoulli_sampler(0.5, 1.5)
