"""Actions on pairs, and on records that count as keys: dicts on the driver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import chain

from minispark._typing import K, T_co, V
from minispark.kernels import aggregate, elements
from minispark.rdd import _arguments as arguments
from minispark.rdd._actions import _ActionOps


class _KeyedActionOps(_ActionOps[T_co]):
    """Actions whose answer is by key."""

    __slots__ = ()

    def reduceByKeyLocally(
        self: _KeyedActionOps[tuple[K, V]], func: Callable[[V, V], V]
    ) -> dict[K, V]:
        """The values of each key merged by a function, as a dict on the driver.

        Action. Brings one value per key and partition to the driver.

        Examples
        --------
        >>> from operator import add
        >>> pairs = sc.parallelize([("a", 1), ("b", 1), ("a", 1)])
        >>> sorted(pairs.reduceByKeyLocally(add).items())
        [('a', 2), ('b', 1)]
        """
        arguments.a_callable("func", func)
        merged: dict[K, V] = {}
        for part in self._run(partial(aggregate.reduced_by_key, func)):
            aggregate.merge_dict(func, merged, part.items())
        return merged

    def countByValue(self: _KeyedActionOps[K]) -> dict[K, int]:
        """How often each record occurs, as a dict on the driver.

        Action. Brings every different record to the driver.

        Examples
        --------
        >>> sorted(sc.parallelize([1, 2, 1, 2, 2], 2).countByValue().items())
        [(1, 2), (2, 3)]
        """
        counts: dict[K, int] = defaultdict(int)
        for part in self._run(aggregate.counted):
            for record, n in part.items():
                counts[record] += n
        return counts

    def countByKey(self: _KeyedActionOps[tuple[K, V]]) -> dict[K, int]:
        """How many pairs each key has, as a dict on the driver.

        Action. Brings every key to the driver.

        Examples
        --------
        >>> sorted(sc.parallelize([("a", 1), ("b", 1), ("a", 1)]).countByKey().items())
        [('a', 2), ('b', 1)]
        """
        return self.keys().countByValue()

    def collectAsMap(self: _KeyedActionOps[tuple[K, V]]) -> dict[K, V]:
        """The pairs as a dict on the driver; of equal keys the last one stays.

        Action. Brings everything to the driver.

        Examples
        --------
        >>> sc.parallelize([(1, 2), (3, 4)]).collectAsMap()
        {1: 2, 3: 4}
        """
        return dict(self.collect())

    def lookup(self: _KeyedActionOps[tuple[K, V]], key: K) -> list[V]:
        """The values of one key.

        Action. Computes only the key's partition where the partitioner is known.

        Examples
        --------
        >>> pairs = sc.parallelize([("a", 1), ("b", 2), ("a", 3)])
        >>> pairs.lookup("a"), pairs.partitionBy(2).lookup("b")
        ([1, 3], [2])
        """
        values = self.filter(partial(elements.has_key, key)).values()
        if self.partitioner is None:
            return values.collect()
        places = [self.partitioner(key)]
        parts = self.ctx._run_partitions(values, aggregate.to_list, places)
        return list(chain.from_iterable(parts))
