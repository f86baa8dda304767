"""Sampling with a seed: the very elements that PySpark draws.

Owns the sequence of random numbers. A sampler is a picklable function of a partition's
index and its elements. Its generator is `Random(seed ^ index)`, of which ten numbers are
thrown away because neighbouring seeds begin alike; then one uniform number is drawn for
each element, or a Poisson count when sampling with replacement. Must not know jobs.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from minispark.errors import PySparkTypeError
from minispark.records import record

__all__ = [
    "Sampler",
    "bernoulli_sampler",
    "fraction_for_size",
    "poisson_sampler",
    "range_sampler",
    "sampler",
    "split_bounds",
    "stratified_sampler",
    "take_sample",
]

T = TypeVar("T")
Sampler = Callable[[int, Iterable[Any]], Iterator[Any]]

#: Above this mean, Knuth's product of uniform numbers would underflow or be slow.
_LARGE_MEAN = 20.0


def new_seed(seed: int | None) -> int:
    """The seed given, or a random one, drawn once in the driver."""
    if seed is None:
        return random.randint(0, sys.maxsize)
    if not isinstance(seed, int):
        raise PySparkTypeError(
            f"seed must be an int or None, not {type(seed).__name__}: {seed!r}",
            "NOT_INT",
            {"arg_name": "seed", "arg_type": type(seed).__name__},
        )
    return seed


def sampler(with_replacement: bool, fraction: float, seed: int | None = None) -> Sampler:
    """What `RDD.sample` applies to each partition.

    Raises
    ------
    ValueError
        The fraction is negative or NaN.
    """
    if not fraction >= 0:
        raise ValueError("Fraction must be nonnegative.")
    make = poisson_sampler if with_replacement else bernoulli_sampler
    return make(fraction, seed)


def bernoulli_sampler(fraction: float, seed: int | None = None) -> Sampler:
    """Keeps each element with probability `fraction`."""
    return _Uniform(new_seed(seed), -1.0, fraction)


def range_sampler(lower: float, upper: float, seed: int | None = None) -> Sampler:
    """Keeps the elements whose number is in [lower, upper): a part of `randomSplit`."""
    return _Uniform(new_seed(seed), lower, upper)


def poisson_sampler(fraction: float, seed: int | None = None) -> Sampler:
    """Repeats each element `fraction` times on average."""
    return _Poisson(new_seed(seed), fraction)


def stratified_sampler(
    with_replacement: bool, fractions: Mapping[Any, float], seed: int | None = None
) -> Sampler:
    """Samples pairs, each key with a fraction of its own.

    Raises
    ------
    ValueError
        A fraction is negative or NaN.
    """
    for key, fraction in fractions.items():
        if not fraction >= 0.0:
            raise ValueError(f"Negative fraction value: {fraction} (key {key!r})")
    return _Stratified(new_seed(seed), with_replacement, dict(fractions))


def generator_for(seed: int, index: int) -> random.Random:
    """The numbers for the elements of one partition."""
    generator = random.Random(seed ^ index)
    for _ in range(10):
        generator.randint(0, 1)
    return generator


def _poisson(generator: random.Random, mean: float) -> int:
    """A Poisson number by Knuth's method; for large means in the log domain."""
    count = 0
    if mean < _LARGE_MEAN:
        limit = math.exp(-mean)
        product = generator.random()
        while product > limit:
            count += 1
            product *= generator.random()
    else:
        total = generator.expovariate(mean)
        while total < 1.0:
            count += 1
            total += generator.expovariate(mean)
    return count


@record
class _Uniform:
    seed: int
    lower: float
    upper: float

    def __call__(self, index: int, elements: Iterable[T]) -> Iterator[T]:
        draw = generator_for(self.seed, index).random
        lower, upper = self.lower, self.upper
        return (x for x in elements if lower <= draw() < upper)


@record
class _Poisson:
    seed: int
    mean: float

    def __call__(self, index: int, elements: Iterable[T]) -> Iterator[T]:
        generator = generator_for(self.seed, index)
        for x in elements:
            for _ in range(_poisson(generator, self.mean)):
                yield x


@record
class _Stratified:
    seed: int
    with_replacement: bool
    fractions: dict[Any, float]

    def __call__(
        self, index: int, elements: Iterable[tuple[Hashable, T]]
    ) -> Iterator[tuple[Hashable, T]]:
        generator = generator_for(self.seed, index)
        fractions = self.fractions
        for key, value in elements:
            if self.with_replacement:
                for _ in range(_poisson(generator, fractions[key])):
                    yield key, value
            elif generator.random() < fractions[key]:
                yield key, value


def split_bounds(weights: Sequence[float]) -> list[tuple[float, float]]:
    """The ranges of [0, 1) that `randomSplit` gives to each weight.

    Raises
    ------
    ValueError
        A weight is negative, or all are 0.
    """
    if not all(w >= 0 for w in weights):
        raise ValueError("Weights must be nonnegative")
    total = float(sum(weights))
    if not total > 0:
        raise ValueError("Sum of weights must be positive")
    edges = [0.0]
    for w in weights:
        edges.append(edges[-1] + w / total)
    return list(pairwise(edges))


#: Sizes above this cannot be had with ten standard deviations to spare.
_MAX_SAMPLE_SIZE = sys.maxsize - int(10.0 * math.sqrt(sys.maxsize))


def fraction_for_size(size: int, total: int, with_replacement: bool) -> float:
    """A fraction that gives at least `size` of `total` elements, 99.99 % of the time."""
    fraction = float(size) / total
    if with_replacement:
        deviations = 9 if size < 12 else 5
        return fraction + deviations * math.sqrt(fraction / total)
    gamma = -math.log(0.00005) / total
    return min(1, fraction + gamma + math.sqrt(gamma * gamma + 2 * gamma * fraction))


def take_sample(
    with_replacement: bool,
    num: int,
    seed: int | None,
    count: Callable[[], int],
    collect: Callable[[Sampler | None], list[T]],
) -> list[T]:
    """`RDD.takeSample`: `num` elements in random order, fewer when there are fewer.

    Parameters
    ----------
    count
        How many elements there are; asked once.
    collect
        The elements that a sampler keeps, or all of them for None.

    Raises
    ------
    ValueError
        `num` is negative, or too large.
    """
    if num < 0:
        raise ValueError("Sample size cannot be negative.")
    if num > _MAX_SAMPLE_SIZE:
        raise ValueError(f"Sample size cannot be greater than {_MAX_SAMPLE_SIZE}.")
    total = count() if num else 0
    if total == 0:
        return []
    generator = random.Random(seed)
    if not with_replacement and num >= total:
        samples = collect(None)
    else:
        fraction = fraction_for_size(num, total, with_replacement)
        samples = collect(sampler(with_replacement, fraction, seed))
        while len(samples) < num:
            again = generator.randint(0, sys.maxsize)
            samples = collect(sampler(with_replacement, fraction, again))
    generator.shuffle(samples)
    return samples[:num]
