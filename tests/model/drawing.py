"""Draws programs that are well typed and small, from whatever makes the choices.

The reference runs along while a program is drawn, so it is known which RDDs
hold pairs, which can be hashed and how large they have grown. Choices come
from a `Chooser`: `strategies` has one of hypothesis, which can shrink, and
`Dice` is one that a seed determines, for runs that last.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import reference
from programs import (
    EXPANSIONS,
    INDEXED,
    KEYS,
    MAPS,
    MERGES,
    PARTS,
    PREDICATES,
    Instruction,
    Program,
)
from reference import BYTES, STRINGS, Table

T = TypeVar("T")


class Chooser(Protocol):
    """Makes choices; the first of what there is counts as the simplest."""

    def integer(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""

    def one_of(self, options: Sequence[T]) -> T:
        """One of them."""


class Dice:
    """A chooser that a seed determines."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def integer(self, low: int, high: int) -> int:
        """See `Chooser`."""
        return self._rng.randint(low, high)

    def one_of(self, options: Sequence[T]) -> T:
        """See `Chooser`."""
        return self._rng.choice(options)


@dataclass(frozen=True)
class Size:
    """How large programs and their data may be."""

    steps: int = 8
    #: Records of one source.
    source: int = 25
    #: Records of an RDD that may still be a parent.
    records: int = 400
    #: Partitions of an RDD that may still be a parent.
    partitions: int = 60
    #: One source in so many has up to 50 partitions, the others up to `few`.
    seldom_many: int = 2
    few: int = 6
    #: Also what only another engine can foretell, not the reference.
    unforetold: bool = False


HUGE = (2**31, 2**63, -(2**63) - 1, 10**30, 2**61 - 1)
FLOATS = (0.0, -0.0, 1.0, 0.5, -1.5, 1e300, math.inf, -math.inf)
ATOMS: tuple[Callable[[Chooser], Any], ...] = (
    lambda c: c.integer(-5, 5),
    lambda c: None,
    lambda c: c.one_of((False, True)),
    lambda c: c.one_of(HUGE),
    lambda c: c.one_of(FLOATS),
    lambda c: c.one_of(STRINGS),
    lambda c: c.one_of(BYTES),
)


def atom(c: Chooser) -> Any:
    """A record without parts, hashable and equal to itself."""
    return c.one_of(ATOMS)(c)


PLAIN: tuple[Callable[[Chooser], Any], ...] = (
    *(atom,) * 3,
    lambda c: (),
    lambda c: (atom(c),),
    lambda c: (atom(c), None, atom(c)),
)
VALUES: tuple[Callable[[Chooser], Any], ...] = (
    lambda c: plain(c),
    lambda c: math.nan,
    lambda c: [atom(c) for _ in range(c.integer(0, 2))],
)


def plain(c: Chooser) -> Any:
    """A record that can be a key."""
    return c.one_of(PLAIN)(c)


def value(c: Chooser) -> Any:
    """What may stand beside a key."""
    return c.one_of(VALUES)(c)


def slices(c: Chooser, size: Size) -> int:
    """A number of partitions: a few, now and then many."""
    return c.integer(1, 50 if c.integer(1, size.seldom_many) == size.seldom_many else size.few)


def wanted(c: Chooser) -> int | None:
    """A number of partitions, or none given."""
    return c.one_of((None, 1, 2, 3, 4, 5, 6, 7))


def some_pairs(c: Chooser, size: Size) -> Instruction:
    """A source of pairs."""
    count = c.integer(1, size.source)
    return ("parallelize", tuple((plain(c), value(c)) for _ in range(count)), slices(c, size))


def some_records(c: Chooser, size: Size) -> Instruction:
    """A source of records of all kinds."""
    records = tuple(plain(c) for _ in range(c.integer(0, size.source)))
    return ("parallelize", records, slices(c, size))


def some_numbers(c: Chooser, size: Size) -> Instruction:
    """A source of consecutive numbers."""
    stride = c.one_of((1, 2, 3, -1, -2))
    return ("range", c.integer(-5, 5), c.integer(-10, 30), stride, slices(c, size))


def nothing(c: Chooser, size: Size) -> Instruction:
    """An empty source."""
    return c.one_of((("empty",), ("parallelize", (), 3), ("range", 0, 0, 1, 2)))


#: Half of all sources hold pairs: most of what can go wrong shuffles.
SOURCES = (some_pairs, some_pairs, some_pairs, some_records, some_numbers, nothing)

Draw = Callable[[Chooser], Any]


def named(table: dict[str, Any]) -> Draw:
    """Draws one of a table's names."""
    names = sorted(table)
    return lambda c: c.one_of(names)


def number(low: int, high: int) -> Draw:
    """Draws a number."""
    return lambda c: c.integer(low, high)


def among(*options: Any) -> Draw:
    """Draws one of the options."""
    return lambda c: c.one_of(options)


#: Arguments after the parents, by what the parent must be.
ANY: dict[str, tuple[Draw, ...]] = {
    "map": (named(MAPS),),
    "filter": (named(PREDICATES),),
    "flatMap": (named(EXPANSIONS),),
    "keyBy": (named(KEYS),),
    "zipWithIndex": (),
    "zipWithMap": (named(MAPS),),
    "sortBy": (among(False, True), among(False, True), wanted),
    "groupBy": (named(KEYS), wanted),
    "persist": (
        among("MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY", "MEMORY_ONLY_2", "DISK_ONLY_2"),
    ),
    "coalesce": (number(1, 8),),
    "repartitionAndSort": (number(1, 5), wanted),
}
EXACT: dict[str, tuple[Draw, ...]] = {
    "mapPartitions": (named(PARTS),),
    "mapPartitionsWithIndex": (named(INDEXED),),
    "glom": (),
    "zipWithUniqueId": (),
    "sample": (among(0.0, 0.3, 0.7, 1.0), number(0, 99)),
    "randomSplit": (among((1.0, 1.0, 2.0), (0.5, 0.0, 0.2)), number(0, 99), number(0, 2)),
}
#: What the reference cannot foretell: the engine's own dealing, bounds and chances.
UNFORETOLD: dict[str, tuple[Draw, ...]] = {
    "repartition": (number(1, 6),),
    "sampleWith": (among(0.0, 0.4, 1.5), number(0, 99)),
    "sampleByKey": (among(False, True), number(0, 99)),
    "union3": (),
}
UNFORETOLD_PAIR: dict[str, tuple[Draw, ...]] = {
    "sortByKey": (among(False, True), wanted),
    "sortWithin": (number(1, 5), among(False, True)),
    "foldByKey": (named(MERGES), wanted),
    "partitionBySize": (number(1, 5),),
    "mapKeeping": (),
}
HASHABLE: dict[str, tuple[Draw, ...]] = {"distinct": (wanted,)}
PAIR: dict[str, tuple[Draw, ...]] = {
    "keys": (),
    "values": (),
    "mapValues": (named(MAPS),),
    "flatMapValues": (named(EXPANSIONS),),
    "reduceByKey": (named(MERGES), wanted),
    "groupByKey": (wanted,),
    "combineByKey": (wanted,),
    "aggregateByKey": (wanted,),
    "partitionBy": (number(1, 7),),
}
TWO_PAIRS = (
    "join",
    "leftOuterJoin",
    "rightOuterJoin",
    "fullOuterJoin",
    "cogroup",
    "subtractByKey",
)
LOOKS: tuple[tuple[str, tuple[Draw, ...]], ...] = (
    ("count", ()),
    ("isEmpty", ()),
    ("take", (number(0, 30),)),
    ("takeOrdered", (number(0, 10),)),
    ("top", (number(0, 10),)),
    ("localIterator", ()),
    ("fold", ()),
    ("treeReduce", (number(1, 3),)),
    ("countByValue", ()),
)
UNFORETOLD_LOOKS: tuple[tuple[str, tuple[Draw, ...]], ...] = (
    ("takeSample", (among(False, True), number(0, 12), number(0, 99))),
    ("stats", ()),
    ("histogram", (number(1, 4),)),
    ("first", ()),
    ("reduce", (named(MERGES),)),
    ("extremes", ()),
    ("runJob", ()),
)


def usable(table: Table, size: Size) -> bool:
    """Whether a table may be a parent: small, and of not too many partitions."""
    return len(table.flat) <= size.records and table.size <= size.partitions


def source(c: Chooser, size: Size) -> Instruction:
    """An instruction that makes an RDD of nothing."""
    return c.one_of(SOURCES)(c, size)


def instruction(c: Chooser, tables: list[Table], size: Size) -> Instruction:
    """One more instruction over the RDDs made so far."""
    parents = [i for i, t in enumerate(tables) if usable(t, size)]
    if not parents:
        return source(c, size)
    i = parents[-1] if c.one_of((False, True)) else c.one_of(parents)
    table = tables[i]
    if c.integer(0, 3) == 3:
        return _of_two(c, tables, parents, i, size)
    choices = dict(ANY)
    if table.exact or size.unforetold:
        choices |= EXACT
    if size.unforetold:
        choices |= UNFORETOLD
    if table.kind == "plain":
        choices |= HASHABLE
    if table.kind == "pair":
        choices |= PAIR
        choices |= UNFORETOLD_PAIR if size.unforetold else {}
    name = c.one_of(sorted(choices) + (sorted(PAIR) * 3 if table.kind == "pair" else []))
    return (name, i, *(draw(c) for draw in choices[name]))


_PRODUCTS = ("cartesian", "cartesianAndSort")
#: Without an argument beside the parents.
_BARE = ("union", "intersection", "cartesian", "groupWith")


def _of_two(c: Chooser, tables: list[Table], parents: list[int], i: int, size: Size) -> Instruction:
    table = tables[i]
    twos = ["union", "cartesian" if size.unforetold else "cartesianAndSort"]
    if table.kind == "plain":
        twos += ["subtract", "intersection"]
    if table.kind == "pair":
        twos += TWO_PAIRS * 2
        twos += ["groupWith"] if size.unforetold else []
    name = c.one_of(twos)
    alike = [j for j in parents if tables[j].kind == table.kind]
    j = c.one_of(parents if name in ("union", *_PRODUCTS) else alike)
    cost = len(table.flat) * len(tables[j].flat)
    tasks = table.size * tables[j].size
    if name in _PRODUCTS and (cost > size.records or tasks > 20):
        name = "union"
    return (name, i, j) if name in _BARE else (name, i, j, wanted(c))


def look(c: Chooser, tables: list[Table], size: Size) -> tuple[Any, ...]:
    """One of the actions whose answer is short."""
    i = c.integer(0, len(tables) - 1)
    name, draws = c.one_of(LOOKS + UNFORETOLD_LOOKS if size.unforetold else LOOKS)
    return (name, i, *(draw(c) for draw in draws))


def whole(tables: list[Table], i: int, size: Size) -> Program:
    """What to look at to see all of an RDD that is known."""
    return (
        (("glom", i),)
        if tables[i].exact or size.unforetold
        else (("collect", i), ("partitions", i))
    )


def program(c: Chooser, size: Size = Size()) -> tuple[Program, Program]:
    """A program and what to look at after it."""
    drawn = [source(c, size)]
    tables = [reference.step([], drawn[0])]
    for _ in range(c.integer(2, size.steps)):
        new_source = c.integer(0, 5) == 5
        made = source(c, size) if new_source else instruction(c, tables, size)
        drawn.append(made)
        tables.append(reference.step(tables, made))
    last = len(tables) - 1
    looks: list[Instruction] = []
    for i in (last, *(c.integer(0, last) for _ in range(c.integer(0, 2)))):
        looks += whole(tables, i, size)
    looks.append(look(c, tables, size))
    return tuple(drawn), tuple(looks)
