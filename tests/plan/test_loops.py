"""Generated loops: the same as the steps one by one, whatever is put in."""

from __future__ import annotations

import inspect
import itertools
import operator
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.kernels import aggregate
from minispark.kernels.elements import with_none
from minispark.kernels.statcounter import StatCounter
from minispark.plan import loops, steps
from minispark.plan.expressions import expression_of
from minispark.plan.fuse import Loop, fuse


class Int(int):
    """A subclass; sums of it are plain ints."""


class Str(str):
    pass


class Pair(tuple):
    pass


class Touchy:
    """No truth, no hash, no order: every use of it fails."""

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self):
        raise ArithmeticError("no truth")

    def __repr__(self):
        return "Touchy()"


FACTOR = 3
IS_WATCHED = loops.is_watched


@pytest.fixture(autouse=True, scope="module")
def _hypothesis_does_not_count_as_a_watcher() -> Iterator[None]:
    """It traces what it tests: without this, nothing would be put in."""
    with mock.patch.object(loops, "is_watched", return_value=False):
        yield


def one_by_one(run: Iterable[steps.Step], records: Iterator[Any]) -> Iterator[Any]:
    """What the steps mean: one generator after the other."""

    def applied(step: Any, incoming: Iterator[Any]) -> Iterator[Any]:
        for x in incoming:
            if isinstance(step, steps.Map):
                yield step.f(x)
            elif isinstance(step, steps.Filter):
                if step.f(x):
                    yield x
            elif isinstance(step, steps.FlatMap):
                yield from step.f(x)
            elif isinstance(step, steps.MapValues):
                k, v = x
                yield k, step.f(v)
            elif isinstance(step, steps.FlatMapValues):
                k, v = x
                for y in step.f(v):
                    yield k, y
            elif isinstance(step, steps.KeyBy):
                yield step.f(x), x
            else:
                yield x[0 if isinstance(step, steps.Keys) else 1]

    for step in run:
        records = applied(step, records)
    return records


def next_of_nothing(x):
    return next(iter(()))


CAPTURED = 5
MAPS: list[Callable[[Any], Any]] = [
    lambda x: x + 1,
    lambda x: (x, 1),
    lambda x: (1, x),
    lambda x: (x, x),
    lambda x: [x, x],
    lambda x, k=CAPTURED: (k, x),
    lambda x: x * FACTOR,
    lambda x: x if x else None,
    lambda x: x and (x, x),
    lambda x: str(x),
    lambda x: x[0],
    lambda x: (x[1], x[0]),
    lambda x: Pair((x, 1)),
    lambda x: 1 / x,
    lambda x: next(iter(())),
    lambda x: -x,
    lambda x: f"{x}",
    (lambda z: lambda x: (x, z))(7),
    (lambda z: lambda x: (z, x))("z"),
    next_of_nothing,
    str,
    with_none,
]
FILTERS: list[Callable[[Any], Any]] = [
    lambda x: x,
    lambda x: x is not None,
    lambda x: x == x,
    lambda x: not x,
    lambda x: x > 0 and x < 5,
    lambda x: isinstance(x, tuple) or x,
    bool,
]
FLATS: list[Callable[[Any], Any]] = [
    lambda x: [x, x],
    lambda x: x,
    lambda x: (x,),
    lambda x: range(x % 5),  # of 10**30, too, few
    lambda x: iter([x, x]),
    lambda x: str(x),
    lambda x: [],
    lambda x: {1: x},
]

STEPS = st.lists(
    st.one_of(
        st.builds(steps.Map, st.sampled_from(MAPS)),
        st.builds(steps.Filter, st.sampled_from(FILTERS)),
        st.builds(steps.FlatMap, st.sampled_from(FLATS)),
        st.builds(steps.MapValues, st.sampled_from(MAPS)),
        st.builds(steps.FlatMapValues, st.sampled_from(FLATS)),
        st.builds(steps.KeyBy, st.sampled_from(MAPS)),
        st.just(steps.Keys()),
        st.just(steps.Values()),
    ),
    max_size=7,
)
ODD: list[Any] = [
    0,
    1,
    -1,
    2,
    True,
    False,
    10**30,
    Int(3),
    1.5,
    -0.0,
    float("nan"),
    float("inf"),
    None,
    "",
    "ab",
    Str("s"),
    b"x",
    (1, 2),
    Pair((1, 2)),
    (1, (2, 3)),
    ("a", ["b"]),
    [1, 2],
    (),
    Touchy(),
]
RECORDS = st.lists(st.sampled_from(ODD), max_size=6)


def outcome(compute: Callable[[], Any]) -> tuple[str, str]:
    """The result or the error, with the types of everything in it."""
    try:
        result = compute()
    except Exception as error:
        # The word for "no pair" differs with how it is unpacked, not with what fails.
        return type(error).__name__, str(error)
    return "", typed(result)


def typed(value: Any) -> str:
    """As repr, telling 1 from True and a tuple from its subclass."""
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(typed, value))})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{typed(k)}: {typed(v)}' for k, v in value.items())})"
    return f"{type(value).__name__}:{value!r}"


def looped(run: list[steps.Step], records: list[Any]) -> Loop:
    expressions = [expression_of(getattr(step, "f", None)) for step in run]
    return Loop(iter(records), run, expressions)


def as_generator(run: list[steps.Step], records: list[Any]) -> Iterator[Any]:
    """The meaning, with what StopIteration becomes in a generator."""
    yield from one_by_one(run, iter(records))


@settings(max_examples=200, deadline=None)
@given(STEPS, RECORDS)
def test_a_loop_is_the_steps_one_by_one(run, records):
    expected = outcome(lambda: list(as_generator(run, records)))
    assert outcome(lambda: list(looped(run, records))) == expected
    assert outcome(lambda: looped(run, records).listed()) == expected


@settings(max_examples=200, deadline=None)
@given(STEPS, RECORDS)
def test_what_came_before_an_error_is_the_same(run, records):
    def until_error(iterator: Iterator[Any]) -> list[Any]:
        found = []
        try:
            found.extend(iterator)
        except Exception as error:
            found.append(type(error))
        return found

    expected = until_error(as_generator(run, records))
    assert typed(until_error(iter(looped(run, records)))) == typed(expected)


def _counted_one_by_one(records: Iterator[Any]) -> dict[Any, int]:
    tally: dict[Any, int] = {}
    for record in records:
        tally[record] = tally[record] + 1 if record in tally else 1
    return tally


def _merged_one_by_one(records: Iterator[Any]) -> StatCounter:
    counter = StatCounter()
    for record in records:
        counter.merge(record)
    return counter


@settings(max_examples=200, deadline=None)
@given(STEPS, RECORDS)
def test_what_comes_in_pieces_is_all_that_came_before_an_error(run, records):
    found: list[Any] = []
    expected: list[Any] = []
    outcomes = [
        outcome(
            lambda: [found.append(x) for piece in looped(run, records).pieces(3) for x in piece]
        ),
        outcome(lambda: [expected.append(x) for x in as_generator(run, records)]),
    ]
    assert outcomes[0] == outcomes[1]
    assert typed(found) == typed(expected)


@settings(max_examples=200, deadline=None)
@given(STEPS, RECORDS)
def test_every_ending_is_what_an_action_makes_of_an_iterator(run, records):
    def compare(
        on_loop: Callable[[Loop], Any], on_iterator: Callable[[Iterator[Any]], Any]
    ) -> None:
        expected = outcome(lambda: on_iterator(as_generator(run, records)))
        assert outcome(lambda: on_loop(looped(run, records))) == expected

    compare(lambda loop: aggregate.count_records(0, loop), lambda it: len(list(it)))
    compare(lambda loop: aggregate.to_list(0, loop), list)
    compare(lambda loop: aggregate.counted(0, loop), _counted_one_by_one)
    compare(lambda loop: repr(aggregate.stats(0, loop)), lambda it: repr(_merged_one_by_one(it)))
    for size in (1, 2, 1000):
        compare(lambda loop, size=size: list(itertools.chain(*loop.pieces(size))), list)
    for f in (operator.add, lambda a, b: a + b, lambda a, b: f"{a!r:.40}{b!r:.40}", max, min):
        compare(
            lambda loop, f=f: aggregate.reduced(f, 0, loop),
            lambda it, f=f: [reduce(f, it, first) for first in itertools.islice(it, 1)],
        )
    seen: list[Any] = []
    compare(lambda loop: (seen.clear(), aggregate.each(seen.append, 0, loop), list(seen))[2], list)


def test_one_record_at_a_time():
    log: list[str] = []

    def source() -> Iterator[int]:
        for i in range(3):
            log.append(f"read {i}")
            yield i

    run = [steps.Map(lambda x: (log.append(f"map {x}"), x)[1]), steps.Filter(lambda x: x != 0)]
    loop = Loop(source(), run, [expression_of(step.f) for step in run])
    assert log == []
    assert next(loop) == 1
    assert log == ["read 0", "map 0", "read 1", "map 1"]
    assert loop.counted() == 1
    assert list(loop) == []


def test_take_reads_no_further():
    source = iter(range(10))
    loop = looped([steps.Map(lambda x: x + 1)], source)  # type: ignore[arg-type]
    assert aggregate.first_records(2, 0, loop) == [1, 2]
    assert next(source) == 2


def _lines_of(run: list[Any]) -> list[str]:
    """The names that traces of a loop show, innermost last."""
    try:
        looped(run, [0]).listed()
    except ZeroDivisionError as error:
        names = []
        trace = error.__traceback__
        while trace is not None:
            inlined = loops.inlined_names(trace.tb_frame.f_code)
            if inlined is not None and trace.tb_lineno in inlined:
                names.append(f"{inlined[trace.tb_lineno]}:{trace.tb_lineno}")
            trace = trace.tb_next
        return names
    raise AssertionError("did not fail")


def failing(x):
    return 1 / x


def test_a_failing_line_is_known_by_its_functions_name():
    line = inspect.currentframe().f_lineno  # type: ignore[union-attr]
    run = [
        steps.Map(lambda x: x),
        steps.Map(
            lambda x: (
                x,
                1 / x,
            )
        ),
    ]
    assert _lines_of(run) == [f"<lambda>:{line + 6}"]
    line = failing.__code__.co_firstlineno + 1
    assert _lines_of([steps.Map(lambda x: x), steps.Map(failing)]) == [f"failing:{line}"]
    # What is called is a frame of its own, not a line of the loop.
    assert _lines_of([steps.Map(lambda x: x), steps.Map(lambda x: failing(x))])[0].startswith(
        "<lambda>"
    )
    not_one_expression = steps.Map(lambda x: (_y := 1 / x))
    assert _lines_of([not_one_expression]) == []


def test_globals_are_looked_up_when_they_are_used():
    global FACTOR
    loop = looped([steps.Map(lambda x: x * FACTOR)], [1, 1])
    try:
        first = next(loop)
        FACTOR = 4
        assert (first, next(loop)) == (3, 4)
    finally:
        FACTOR = 3


def test_builtins_may_be_shadowed_by_globals():
    namespace = {"len": lambda x: "mine", "__builtins__": __builtins__}
    f = type(inc_all)((lambda x: len(x)).__code__, namespace)
    run = [steps.Map(f), steps.Map(lambda x: [x, len("abc")])]
    assert looped(run, [[]]).listed() == [["mine", 3]]


def test_names_in_comprehensions_are_those_of_their_own_functions_globals():
    inner = lambda x: [y + LOCAL for y in (1, 2)]  # noqa: E731, F821
    namespace = {"LOCAL": 5, "__builtins__": __builtins__}
    apart = steps.Map(type(inc_all)(inner.__code__, namespace))
    run = [steps.Map(inc_all), steps.Map(lambda x: [FACTOR, x]), apart]
    assert looped(run, [[]]).listed() == [[6, 7]]


def inc_all(x):
    return x


def test_captured_variables_stay_shared():
    total = 0

    def add(x):
        nonlocal total
        total += x
        return x

    run = [steps.Map(add), steps.Map(lambda x: (x, total))]
    assert looped(run, [1, 2, 3]).listed() == [(1, 1), (2, 3), (3, 6)]


def plus(k: int) -> Callable[[int], int]:
    return lambda x: x + k


def test_equal_names_of_captured_variables_are_different_variables():
    run = [steps.Map(plus(k)) for k in (1, 10, 100)]
    assert looped(run, [0]).listed() == [111]
    defaults = [steps.Map(lambda x, k=k: x + k) for k in (1, 10, 100)]
    assert looped(defaults, [0]).listed() == [111]


def test_a_default_for_the_record_too():
    assert looped([steps.Map(lambda x=1, y=2: (x, y))], [5]).listed() == [(5, 2)]


def test_a_variable_that_is_not_there_yet():
    def late(is_set: bool) -> steps.Map:
        if is_set:
            value = 1
        return steps.Map(lambda x: x + value)

    assert looped([late(True)], [1]).listed() == [2]
    with pytest.raises(NameError, match="'value'"):
        looped([late(False)], [1]).listed()


@pytest.mark.parametrize("watch", [sys.settrace, sys.setprofile])
def test_nothing_is_put_in_while_somebody_watches(watch):
    calls = []

    def watcher(frame, event, _argument):
        if event == "call" and frame.f_code.co_name == "<lambda>":
            calls.append(frame.f_lineno)

    run = [steps.Map(lambda x: x + 1), steps.Map(lambda x: x + 2)]
    before = sys.gettrace(), sys.getprofile()
    watch(watcher)
    try:
        with mock.patch.object(loops, "is_watched", IS_WATCHED):
            result = looped(run, [1, 2]).listed()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    assert result == [4, 5]
    assert len([line for line in calls if line == run[0].f.__code__.co_firstlineno]) >= 4


def _warn(x):
    warnings.warn("look there", stacklevel=2)
    return x


def test_a_warning_points_at_the_users_line():
    run = [steps.Map(lambda x: x + 1), steps.Map(lambda x: _warn(x))]
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert looped(run, [1]).listed() == [2]
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]


def test_more_blocks_than_python_nests():
    run = [steps.FlatMap(lambda x: [x]), steps.Filter(lambda x: True)] * 30
    found = fuse(tuple(run), [expression_of(step.f) for step in run])(0, iter([1, 2]))
    assert list(found) == [1, 2]


def test_a_thousand_steps():
    run = [steps.Map(lambda x: x + 1) for _ in range(1000)]
    assert looped(run, [1]).listed() == [1001]


def test_it_is_compiled_once_per_shape():
    def shape() -> list[Any]:
        return [steps.Map(lambda x: x + 12345), steps.Filter(lambda x: x)]

    looped(shape(), [1]).listed()
    before = loops._compiled.cache_info().misses
    looped(shape(), [1]).listed()
    assert loops._compiled.cache_info().misses == before
