"""Hypothesis strategies for programs: every drawn program is well typed and small.

The reference runs along while a program is drawn, so the strategy knows which
RDDs hold pairs, which can be hashed and how large they have grown.
"""

from __future__ import annotations

import math
from typing import Any

import reference
from hypothesis import strategies as st
from programs import EXPANSIONS, INDEXED, KEYS, MAPS, MERGES, PARTS, PREDICATES, Program
from reference import BYTES, STRINGS, Table

MAX_RECORDS = 400

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**30, 2**61 - 1]),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, -1.5, 1e300, math.inf, -math.inf]),
    st.sampled_from(STRINGS),
    st.sampled_from(BYTES),
)
plain = st.one_of(atoms, st.tuples(), st.tuples(atoms), st.tuples(atoms, st.none(), atoms))
values = st.one_of(plain, st.just(math.nan), st.lists(atoms, max_size=2))
pairs = st.tuples(plain, values)
slices = st.one_of(st.integers(1, 6), st.integers(1, 50))
wanted = st.one_of(st.none(), st.integers(1, 7))
levels = st.sampled_from(["MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"])


def names(table: dict[str, Any]) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(table))


some_pairs = st.tuples(
    st.just("parallelize"), st.lists(pairs, min_size=1, max_size=25).map(tuple), slices
)
#: Half of all sources hold pairs: most of what can go wrong shuffles.
sources = st.one_of(
    some_pairs,
    some_pairs,
    some_pairs,
    st.tuples(st.just("parallelize"), st.lists(plain, max_size=25).map(tuple), slices),
    st.tuples(
        st.just("range"),
        st.integers(-5, 5),
        st.integers(-10, 30),
        st.sampled_from([1, 2, 3, -1, -2]),
        slices,
    ),
    st.sampled_from([("empty",), ("parallelize", (), 3), ("range", 0, 0, 1, 2)]),
)

#: Arguments after the parents, by what the parent must be.
ANY: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "map": (names(MAPS),),
    "filter": (names(PREDICATES),),
    "flatMap": (names(EXPANSIONS),),
    "keyBy": (names(KEYS),),
    "zipWithIndex": (),
    "zipWithMap": (names(MAPS),),
    "sortBy": (st.booleans(), st.booleans(), wanted),
    "groupBy": (names(KEYS), wanted),
    "persist": (levels,),
    "coalesce": (st.integers(1, 8),),
    "repartitionAndSort": (st.integers(1, 5), wanted),
}
EXACT: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "mapPartitions": (names(PARTS),),
    "mapPartitionsWithIndex": (names(INDEXED),),
    "glom": (),
    "zipWithUniqueId": (),
    "sample": (st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.integers(0, 99)),
    "randomSplit": (
        st.sampled_from([(1.0, 1.0, 2.0), (0.5, 0.0, 0.2)]),
        st.integers(0, 99),
        st.integers(0, 2),
    ),
}
HASHABLE: dict[str, tuple[st.SearchStrategy[Any], ...]] = {"distinct": (wanted,)}
PAIR: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "keys": (),
    "values": (),
    "mapValues": (names(MAPS),),
    "flatMapValues": (names(EXPANSIONS),),
    "reduceByKey": (names(MERGES), wanted),
    "groupByKey": (wanted,),
    "combineByKey": (wanted,),
    "aggregateByKey": (wanted,),
    "partitionBy": (st.integers(1, 7),),
}
TWO_PAIRS = (
    "join",
    "leftOuterJoin",
    "rightOuterJoin",
    "fullOuterJoin",
    "cogroup",
    "subtractByKey",
)


def usable(table: Table) -> bool:
    """Whether a table may be a parent: small, and of not too many partitions."""
    return len(table.flat) <= MAX_RECORDS and table.size <= 60


@st.composite
def instructions(draw: Any, tables: list[Table]) -> tuple[Any, ...]:
    """One more instruction over the RDDs made so far."""
    parents = [i for i, t in enumerate(tables) if usable(t)]
    recent = draw(st.booleans())
    i = parents[-1] if recent else draw(st.sampled_from(parents))
    table = tables[i]
    choices = dict(ANY)
    if table.exact:
        choices |= EXACT
    if table.kind == "plain":
        choices |= HASHABLE
    if table.kind == "pair":
        choices |= PAIR
    twos = ["union", "cartesianAndSort"]
    partners = [j for j in parents if tables[j].kind == table.kind]
    if table.kind == "plain":
        twos += ["subtract", "intersection"]
    if table.kind == "pair":
        twos += TWO_PAIRS * 2
    if draw(st.integers(0, 3)) == 3:
        name = draw(st.sampled_from(twos))
        j = draw(
            st.sampled_from(partners if name not in ("union", "cartesianAndSort") else parents)
        )
        cost = len(table.flat) * len(tables[j].flat)
        tasks = table.size * tables[j].size
        if name == "cartesianAndSort" and (cost > MAX_RECORDS or tasks > 20):
            name = "union"
        number = () if name in ("union", "intersection") else (draw(wanted),)
        return (name, i, j, *number)
    pool = sorted(choices) + (sorted(PAIR) * 3 if table.kind == "pair" else [])
    name = draw(st.sampled_from(pool))
    return (name, i, *(draw(argument) for argument in choices[name]))


@st.composite
def programs(draw: Any, max_steps: int = 8) -> tuple[Program, Program]:
    """A program and what to look at after it."""
    program = [draw(sources)]
    tables = [reference.step([], program[0])]
    for _ in range(draw(st.integers(2, max_steps))):
        new_source = draw(st.integers(0, 5)) == 5
        instruction = draw(sources if new_source else instructions(tables))
        program.append(instruction)
        tables.append(reference.step(tables, instruction))
    looks: list[tuple[Any, ...]] = []
    last = len(tables) - 1
    for i in [last, *draw(st.lists(st.integers(0, last), max_size=2))]:
        looks += [("glom", i)] if tables[i].exact else [("collect", i), ("partitions", i)]
    i = draw(st.integers(0, last))
    name, *arguments = draw(
        st.one_of(
            st.just(("count",)),
            st.just(("isEmpty",)),
            st.tuples(st.just("take"), st.integers(0, 30)),
            st.tuples(st.just("takeOrdered"), st.integers(0, 10)),
            st.tuples(st.just("top"), st.integers(0, 10)),
            st.just(("localIterator",)),
            st.just(("fold",)),
            st.tuples(st.just("treeReduce"), st.integers(1, 3)),
            st.just(("countByValue",)),
        )
    )
    looks.append((name, i, *arguments))
    return tuple(program), tuple(looks)
