from collections.abc import Set as AbstractSet
from typing import Any

def scatter(
    keys: list[Any],
    values: list[Any],
    key_hands: list[list[Any]],
    value_hands: list[list[Any]],
    kinds: AbstractSet[type],
    others: bool,
    /,
) -> int: ...
def deal(
    keys: list[Any], hands: list[list[Any]], kinds: AbstractSet[type], others: bool, /
) -> int: ...
def group(table: dict[Any, list[Any]], keys: list[Any], values: list[Any], /) -> None: ...
def keep(table: dict[Any, None], keys: list[Any], /) -> None: ...
def merge_numbers(
    values: list[Any], start: int, n: float, mu: float, m2: float, high: float, low: float, /
) -> tuple[int, float, float, float, float, float]: ...
