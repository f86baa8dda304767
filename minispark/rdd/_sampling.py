"""Random parts of an RDD: narrow steps that draw PySpark's own numbers.

The drawing is in `minispark.kernels.sampling`. Its seeds are drawn once, in the
driver, so a partition that is computed again is the same; what a user's own
functions draw is not, and `setIndeterminate` is how the engine learns of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minispark._typing import K, T, T_co, V
from minispark.plan import steps
from minispark.rdd import _arguments as arguments
from minispark.rdd._narrow import _NarrowOps

if TYPE_CHECKING:
    from minispark.rdd.rdd import RDD

# Kernels are imported where they are used: most programs need few of them (ADR 0032).


class _SampleOps(_NarrowOps[T_co]):
    """Transformations that keep some records by chance."""

    __slots__ = ()

    def sample(
        self: _SampleOps[T], withReplacement: bool, fraction: float, seed: int | None = None
    ) -> RDD[T]:
        """A random part of the records; about, not exactly, the fraction asked for.

        Narrow. Keeps the partitioner. The same seed gives the same sample as in PySpark.

        Examples
        --------
        >>> 6 <= sc.parallelize(range(100), 4).sample(False, 0.1, 81).count() <= 14
        True
        """
        from minispark.kernels import sampling

        fraction = arguments.fraction("fraction", fraction)
        sampler = sampling.sampler(withReplacement, fraction, seed)
        return self._step(steps.Partitions(sampler), True)

    def randomSplit(
        self: _SampleOps[T], weights: Sequence[int | float], seed: int | None = None
    ) -> list[RDD[T]]:
        """Splits the records at random into disjoint RDDs of about the given weights.

        Narrow. Keeps the partitioner. Every part computes this RDD: cache it.

        Examples
        --------
        >>> parts = sc.parallelize(range(100), 2).randomSplit([2, 3], 17)
        >>> sorted(parts[0].union(parts[1]).collect()) == list(range(100))
        True
        """
        from minispark.kernels import sampling

        # One seed for all parts: what one draws, the others leave out.
        seed = sampling.new_seed(seed)
        return [
            self._step(steps.Partitions(sampling.range_sampler(low, high, seed)), True)
            for low, high in sampling.split_bounds(weights)
        ]

    def sampleByKey(
        self: _SampleOps[tuple[K, V]],
        withReplacement: bool,
        fractions: dict[K, float | int],
        seed: int | None = None,
    ) -> RDD[tuple[K, V]]:
        """A random part of the pairs of each key, by a fraction for each key.

        Narrow. Keeps the partitioner.

        Examples
        --------
        >>> rdd = sc.parallelize([("a", x) for x in range(9)] + [("b", 0)])
        >>> rdd.sampleByKey(False, {"a": 0.0, "b": 1.0}, 3).collect()
        [('b', 0)]
        """
        from minispark.kernels import sampling

        for key, fraction in fractions.items():
            arguments.fraction(f"fractions[{key!r}]", fraction)
        sampler = sampling.stratified_sampler(withReplacement, fractions, seed)
        return self._step(steps.Partitions(sampler), True)

    def setIndeterminate(self: _SampleOps[T]) -> RDD[T]:
        """Says that a partition computed a second time may have other records.

        Narrow. Returns this RDD. For functions that draw unseeded random numbers, ask
        the clock or a changing service. When an output of a shuffle behind it is lost,
        everything made of that shuffle is computed again, instead of the lost part
        alone; where results were delivered already, the job fails. Never are records
        of two runs mixed. A checkpoint ends it. PySpark has no such method.

        Examples
        --------
        >>> import random
        >>> drawn = sc.parallelize(range(100), 4).map(lambda x: (random.random(), x))
        >>> drawn.setIndeterminate().sortByKey().count()
        100
        """
        self._node.info.is_indeterminate = True
        self.ctx._replanned()
        return self._handle()
