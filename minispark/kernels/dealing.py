"""Many keys at a time to the places of their `portable_hash`.

Owns the loops, in C where they were built (`kernels.native`); what a key's hash is says
`kernels.hashing`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence, Set
from itertools import islice
from typing import Any

from minispark.kernels import native
from minispark.kernels.hashing import PLAIN_KINDS, portable_hash, str_memo

#: Keys of a dict that are copied into a list at a time.
_PIECE = 8192


def portable_places(keys: Iterable[Hashable], number: int) -> list[int]:
    """`portable_hash` of each key modulo a number, a little dearer than `hash` for common types."""
    keys = list(keys)
    kinds = set(map(type, keys))
    if kinds <= PLAIN_KINDS:
        return [hash(key) % number for key in keys]
    if kinds == {str}:  # unseeded only
        memo: Any = str_memo
        return [memo[key] % number for key in keys]
    return [portable_hash(key) % number for key in keys]


def deal_by_hash(
    keys: list[Any], hands: Sequence[list[Any]], kinds: Set[type] | None = None
) -> int:
    """Appends each key to the list of its place, up to the first whose type is none of `kinds`.

    Says how many those were; without `kinds` it is all of them.
    """
    done = 0
    plain = PLAIN_KINDS if kinds is None else PLAIN_KINDS & kinds
    if native.NATIVE is not None:
        done = native.NATIVE.deal(keys, hands, plain, kinds is None)
    elif set(map(type, keys)) <= plain:
        number = len(hands)
        for key in keys:
            hands[hash(key) % number].append(key)
        return len(keys)
    if done == len(keys):
        return done
    rest = keys[done:] if done else keys
    if kinds is not None:
        odd = next((i for i, key in enumerate(rest) if type(key) not in kinds), len(rest))
        rest = rest[:odd]
    for place, key in zip(portable_places(rest, len(hands)), rest, strict=True):
        hands[place].append(key)
    return done + len(rest)


def scatter_by_hash(
    keys: Collection[Any],
    values: Collection[Any],
    key_hands: Sequence[list[Any]],
    value_hands: Sequence[list[Any]],
) -> None:
    """Appends each key and its value to the lists of the key's place."""
    if isinstance(keys, list) and isinstance(values, list):
        _scatter(keys, values, key_hands, value_hands)
        return
    more_keys, more_values = iter(keys), iter(values)
    while piece := list(islice(more_keys, _PIECE)):
        _scatter(piece, list(islice(more_values, _PIECE)), key_hands, value_hands)


def _scatter(
    keys: list[Any],
    values: list[Any],
    key_hands: Sequence[list[Any]],
    value_hands: Sequence[list[Any]],
) -> None:
    number = len(key_hands)
    if native.NATIVE is not None:
        done = native.NATIVE.scatter(keys, values, key_hands, value_hands, PLAIN_KINDS, True)
        if done == len(keys):
            return
        if done:
            keys, values = keys[done:], values[done:]
    elif set(map(type, keys)) <= PLAIN_KINDS:
        # In one loop: a string made a moment ago is hashed while it is in the cache.
        for key, value in zip(keys, values, strict=True):
            place = hash(key) % number
            key_hands[place].append(key)
            value_hands[place].append(value)
        return
    for place, key, value in zip(portable_places(keys, number), keys, values, strict=True):
        key_hands[place].append(key)
        value_hands[place].append(value)
