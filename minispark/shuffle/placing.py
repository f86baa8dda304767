"""Where keys go: the reduce partition of each, many at a time.

Owns the choice of the quickest way to ask a partition function, and what is said of
a key that it cannot place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, NoReturn

from minispark.errors import PySparkException, PySparkTypeError
from minispark.kernels.dealing import deal_by_hash, portable_places, scatter_by_hash
from minispark.kernels.hashing import portable_hash
from minispark.kernels.ordering import RangeCut, RangePlacement
from minispark.storage.serializer import short_repr

#: `partition(key) % num_reducers` is the place of a key.
Partition = Callable[[Any], int]


def place(keys: Iterable[Any], partition: Partition, num_reducers: int) -> list[int]:
    """The reduce partition of each key."""
    if isinstance(partition, RangeCut):
        partition = partition.placement
    if isinstance(partition, RangePlacement) and partition.num_partitions == num_reducers:
        return partition.many(keys)
    if partition is portable_hash:
        return portable_places(keys, num_reducers)
    # Also for one partition: the function may refuse a key.
    return [partition(k) % num_reducers for k in keys]


def raise_place_error(keys: Iterable[Any], partition: Partition, error: Exception) -> NoReturn:
    """Raises what names the key that could not be placed, else `error` itself."""
    if not isinstance(error, PySparkException):
        for key in keys:
            value = partition(key)
            if not hasattr(value, "__index__"):
                raise PySparkTypeError(
                    f"The partition function must give an int; for the key {short_repr(key)} "
                    f"it gave {short_repr(value)} ({type(value).__name__})",
                    "NOT_INT",
                ) from error
    raise error


def deal(keys: Collection[Any], partition: Partition, num_reducers: int) -> list[list[Any]]:
    """The keys of each reduce partition, in order."""
    hands: list[list[Any]] = [[] for _ in range(num_reducers)]
    try:
        if partition is portable_hash:
            deal_by_hash(list(keys), hands)
        else:
            for p, k in zip(place(keys, partition, num_reducers), keys, strict=True):
                hands[p].append(k)
    except TypeError as error:
        raise_place_error(keys, partition, error)
    return hands


def scatter(
    keys: Collection[Any],
    values: Collection[Any],
    partition: Partition,
    key_hands: list[list[Any]],
    value_hands: list[list[Any]],
) -> Iterable[int]:
    """Appends pairs to the lists of their reduce partitions; says which may have got some."""
    if partition is portable_hash and len(keys) >= len(key_hands):
        scatter_by_hash(keys, values, key_hands, value_hands)
        return range(len(key_hands))
    runs = None
    if isinstance(partition, RangeCut) and isinstance(keys, list) and isinstance(values, list):
        runs = partition.cut(keys, values)
    if runs is None:
        placed = place(keys, partition, len(key_hands))
        for p, k, v in zip(placed, keys, values, strict=True):
            key_hands[p].append(k)
            value_hands[p].append(v)
        return set(placed)
    for p, run_keys, run_values in runs:
        key_hands[p] += run_keys
        value_hands[p] += run_values
    return [p for p, _, _ in runs]
