"""Feeding a table from a loop: the same as merging pair by pair, whatever is recognised."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.errors import PySparkTypeError
from minispark.kernels import aggregate, elements
from minispark.plan import loops, steps
from minispark.plan.expressions import expression_of
from minispark.plan.fuse import Loop
from minispark.plan.nodes import Aggregator
from minispark.shuffle.columns import PairColumns
from minispark.shuffle.feed import Feed


class Int(int):
    """A subclass; sums of it are plain ints."""


class Str(str):
    pass


class Pair(tuple):
    pass


def counting(f: Any) -> Aggregator:
    return Aggregator(elements.identity, f, f)


AGGREGATORS = {
    "add": counting(operator.add),
    "lambda add": counting(lambda a, b: a + b),
    "min": counting(min),
    "max": counting(max),
    "first": counting(elements.keep_first),
    "other": counting(lambda a, b: (a, b)),
    "zero": Aggregator(aggregate.FromZero(0, operator.add), operator.add, operator.add),
    "group": Aggregator(
        aggregate.one_value, aggregate.append_value, aggregate.extend_group, "group"
    ),
}
MAPS: list[Callable[[Any], Any]] = [
    lambda x: (x, 1),
    lambda x: (x, True),
    lambda x: (x, 2),
    lambda x: (x, 1.0),
    lambda x: (x, None),
    lambda x: (x, "s"),
    lambda x: (str(x), x),
    lambda x: (1, x),
    lambda x: (x, [x]),
    lambda x: (x[0], x),
    lambda x: (1, 1 / x),
    lambda x: (x, next(iter(()))),
    lambda x: [x, 1],
    lambda x: x,
    lambda x: Pair((x, 1)),
    elements.with_none,
    elements.with_true,
]
FLATS: list[Callable[[Any], Any]] = [
    lambda x: [x, x, 2, 3, 4],
    lambda x: (x, 1, 2),
    lambda x: x,
    lambda x: str(x),
    lambda x: iter([x, x]),
    lambda x: [[x]],
]
RUNS = st.one_of(
    st.builds(lambda f: [steps.Map(f)], st.sampled_from(MAPS)),
    st.builds(
        lambda f, g: [steps.FlatMap(f), steps.Map(g)], st.sampled_from(FLATS), st.sampled_from(MAPS)
    ),
    st.builds(
        lambda f, g: [steps.Map(f), steps.MapValues(g)],
        st.sampled_from(MAPS),
        st.sampled_from(MAPS),
    ),
    st.builds(
        lambda f, g: [steps.Map(f), steps.FlatMapValues(g)],
        st.sampled_from(MAPS),
        st.sampled_from(FLATS),
    ),
    st.builds(lambda f: [steps.KeyBy(f)], st.sampled_from(MAPS)),
    st.just([]),
)
ODD: list[Any] = [0, 1, True, False, 2, 10**30, Int(3), 1.5, -0.0, 0.0, None, "a", "ab", Str("a"),
    b"x", (1, 2), Pair((1, 2)), (1, [2]), [1, 2], (), {1}, float("nan")]  # fmt: skip
RECORDS = st.lists(st.sampled_from(ODD), max_size=12)


@pytest.fixture(autouse=True, scope="module")
def _hypothesis_does_not_count_as_a_watcher() -> Iterator[None]:
    """It traces what it tests: without this, nothing would be put in."""
    with mock.patch.object(loops, "is_watched", return_value=False):
        yield


def one_by_one(run: list[Any], records: list[Any]) -> Iterator[Any]:
    """What the steps mean; a generator, for what StopIteration becomes."""
    incoming: Any = iter(records)
    for step in run:
        incoming = _applied(step, incoming)
    yield from incoming


def _applied(step: Any, incoming: Any) -> Iterator[Any]:
    for x in incoming:
        if isinstance(step, steps.Map):
            yield step.f(x)
        elif isinstance(step, steps.FlatMap):
            yield from step.f(x)
        elif isinstance(step, steps.MapValues):
            k, v = x
            yield k, step.f(v)
        elif isinstance(step, steps.FlatMapValues):
            k, v = x
            for y in step.f(v):
                yield k, y
        else:
            yield step.f(x), x


def merged(aggregator: Aggregator, records: Iterator[Any]) -> dict[Any, Any]:
    """Pair by pair."""
    table: dict[Any, Any] = {}
    for record in records:
        try:
            k, v = record
        except (TypeError, ValueError):
            raise PySparkTypeError("no pair") from None
        try:
            hash(k)
        except TypeError:
            raise PySparkTypeError("no key") from None
        if k in table:
            table[k] = aggregator.merge_value(table[k], v)
        else:
            table[k] = aggregator.create_combiner(v)
    return table


def typed(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(typed, value))})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{typed(k)}: {typed(v)}' for k, v in value.items())})"
    return f"{type(value).__name__}:{value!r}"


def outcome(compute: Callable[[], Any]) -> str:
    try:
        return typed(compute())
    except PySparkTypeError:
        return "not usable"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def looped(run: list[Any], records: list[Any]) -> Loop:
    return Loop(iter(records), run, [expression_of(getattr(step, "f", None)) for step in run])


def fed(aggregator: Aggregator, records: Any, limit: int) -> dict[Any, Any]:
    table: dict[Any, Any] = {}
    feed = Feed(records, aggregator, table)
    while not feed.is_done:
        feed.advance(limit)
    return table


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(AGGREGATORS)), RUNS, RECORDS, st.integers(1, 9))
def test_a_fed_table_is_the_table_merged_pair_by_pair(name, run, records, limit):
    aggregator = AGGREGATORS[name]
    expected = outcome(lambda: merged(aggregator, one_by_one(run, records)))
    assert outcome(lambda: fed(aggregator, looped(run, records), limit)) == expected
    assert outcome(lambda: fed(aggregator, one_by_one(run, records), limit)) == expected


@pytest.mark.parametrize("name", sorted(AGGREGATORS))
@pytest.mark.parametrize(
    "run",
    [
        [steps.FlatMap(lambda x: [x, x + 1000]), steps.Map(lambda x: (x, 1))],
        [steps.FlatMap(lambda x: [x, x + 1000]), steps.Map(elements.with_none)],
        [steps.Map(lambda x: (x, 1))],
        [steps.Map(lambda x: (x % 7, x))],
        [steps.FlatMap(lambda x: [x % 5] * 3), steps.Map(lambda x: (x, 1))],
        [steps.Map(lambda x: x * 3), steps.Map(elements.with_none)],
        [steps.Map(lambda x: x % 7), steps.Map(elements.with_none)],
    ],
    ids=["lists", "keys in lists", "pairs", "few keys", "few keys in lists", "keys", "few alone"],
)
def test_growth_between_two_looks_is_bounded(name, run):
    if name in ("add", "lambda add", "min", "max", "zero") and run[-1].f is elements.with_none:
        return  # None cannot be added
    aggregator = AGGREGATORS[name]
    table: dict[Any, Any] = {}
    taken: list[dict[Any, Any]] = []
    feed = Feed(looped(run, list(range(100))), aggregator, table)
    while not feed.is_done:
        feed.advance(8)
        # A flat map's list goes in whole.
        assert len(table) <= 9
        taken.append(dict(table))
        table.clear()
    keys = {k for part in taken for k in part}
    assert keys == set(merged(aggregator, one_by_one(run, list(range(100)))))
    if name == "add":
        total = sum(sum(part.values()) for part in taken)
        assert total == sum(v for _, v in one_by_one(run, list(range(100))))


def test_the_record_that_cannot_be_a_key_is_named():
    for run in (
        [steps.Map(lambda x: (x, 1))],
        [steps.FlatMap(lambda x: ["a", x]), steps.Map(lambda x: (x, 1))],
        [steps.FlatMap(lambda x: ["a", x]), steps.Map(lambda x: (x, 1.5))],
    ):
        with pytest.raises(PySparkTypeError, match=r"\(\[7\], 1.*\(list\)") as caught:
            fed(AGGREGATORS["add"], looped(run, [[7]]), 10)
        assert isinstance(caught.value.__cause__, TypeError)


def test_a_key_that_ends_iterations_loses_no_key():
    class Ending:
        def __hash__(self) -> int:
            raise StopIteration

    for run in ([steps.Map(elements.with_none)], [steps.Map(lambda x: (x, 1))]):
        with pytest.raises(RuntimeError):
            fed(AGGREGATORS["first"], looped(run, [1, Ending(), 2]), 10)


def test_a_type_error_of_the_users_is_the_users():
    run = [steps.Map(lambda x: (x, 1 + x))]
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        fed(AGGREGATORS["add"], looped(run, [1, "a"]), 10)
    assert not isinstance(caught.value, PySparkTypeError)


def test_a_sample_of_groups_is_of_the_newest_values():
    table: dict[Any, Any] = {}
    feed = Feed(
        looped([steps.Map(lambda x: (x % 2, x))], list(range(100))), AGGREGATORS["group"], table
    )
    feed.advance(1000)
    sample = feed.sample_values()
    assert 32 <= len(sample) <= 64
    assert set(sample) <= set(range(30, 100))


def pairs_of(records: Iterator[Any]) -> list[Any]:
    pairs = []
    for record in records:
        try:
            k, v = record
        except (TypeError, ValueError):
            raise PySparkTypeError("no pair") from None
        pairs.append((k, v))
    return pairs


def taken_in_columns(records: Iterator[Any], limit: int) -> list[Any]:
    pairs: list[Any] = []
    columns = PairColumns(records)
    while (batch := columns.take(limit))[0]:
        assert len(batch[0]) <= limit
        pairs += zip(*batch, strict=True)
    assert columns.take(limit) == ([], [])
    return pairs


@settings(max_examples=250, deadline=None)
@given(RUNS, RECORDS, st.integers(1, 9))
def test_columns_are_the_pairs_one_by_one(run, records, limit):
    expected = outcome(lambda: pairs_of(one_by_one(run, records)))
    assert outcome(lambda: taken_in_columns(looped(run, records), limit)) == expected
    assert outcome(lambda: taken_in_columns(one_by_one(run, records), limit)) == expected


def test_columns_of_pairs_whose_keys_cannot_be_hashed():
    run = [steps.Map(lambda x: ([x], x))]
    assert taken_in_columns(looped(run, [1, 2]), 1) == [([1], 1), ([2], 2)]
    with pytest.raises(ZeroDivisionError):
        taken_in_columns(looped([steps.Map(lambda x: ([x], 1 // x))], [1, 0]), 5)
    with pytest.raises(PySparkTypeError, match="Expected a pair .* got int: 3"):
        taken_in_columns(iter([(1, 2), 3]), 5)
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        taken_in_columns(looped([steps.Map(lambda x: ([x], 1 + x))], [1, "a"]), 5)
    assert not isinstance(caught.value, PySparkTypeError)
