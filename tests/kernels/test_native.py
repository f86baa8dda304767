"""The C twins of hot loops: built where they can be, and equal to the loops in Python."""

from __future__ import annotations

import gc
import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.kernels import native
from minispark.kernels.dealing import deal_by_hash, scatter_by_hash
from minispark.kernels.hashing import portable_hash
from minispark.kernels.statcounter import StatCounter
from minispark.shuffle.pairs import group_columns, keep_first_keys

IS_OFF = os.environ.get(native.SWITCH, "0") != "0"
built = pytest.mark.skipif(native.NATIVE is None, reason="the C twins were not built")


def test_it_is_built_where_it_can_be(tmp_path: Path) -> None:
    """A build that fails is passed over when the package is installed: it must be seen here."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    program = tmp_path / "any.c"
    program.write_text("#include <Python.h>\nint any(void) { return 0; }\n")
    command = [compiler, "-I", sysconfig.get_path("include"), "-c", str(program)]
    can_build = shutil.which(compiler) and not subprocess.call(command, cwd=tmp_path)
    if IS_OFF or not can_build:
        pytest.skip("nothing to build it with, or switched off")
    assert native.NATIVE is not None, "install the package again (pip install --editable .)"


class Text(str):
    """A subclass."""


class Number(int):
    """A subclass."""


NAN = float("nan")
odd = st.one_of(
    st.integers(),
    st.booleans(),
    st.integers().map(Number),
    st.text(max_size=3),
    st.text(max_size=3).map(Text),
    st.binary(max_size=3),
    st.floats(),
    st.none(),
    st.sampled_from([-1, -2, 2**61 - 1, 2**61, -(2**61), 10**30, -0.0, NAN, "", b""]),
)
odd = st.recursive(odd, lambda one: st.lists(one, max_size=3).map(tuple), max_leaves=6)
keys_of_all_kinds = st.one_of(
    st.lists(odd, max_size=40),
    st.lists(st.integers(-5, 5), max_size=40),
    st.lists(st.text(max_size=2), max_size=40),
)


def in_python(call: Any) -> Any:
    """What a call does without the C twins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "NATIVE", None)
        return call()


def ids(lists: list[list[Any]]) -> list[list[int]]:
    return [list(map(id, one)) for one in lists]


@built
@settings(max_examples=300, deadline=None)
@given(keys_of_all_kinds, st.integers(1, 9), st.sampled_from([None, {int}, {int, str, bytes}]))
def test_dealing(keys: list[Any], number: int, kinds: set[type] | None) -> None:
    def dealt() -> tuple[int, list[list[int]]]:
        hands: list[list[Any]] = [[] for _ in range(number)]
        return deal_by_hash(keys, hands, kinds), ids(hands)

    assert dealt() == in_python(dealt)
    count = dealt()[0]
    assert all(kinds is None or type(k) in kinds for k in keys[:count])
    assert count == len(keys) or type(keys[count]) not in (kinds or ())


@built
@settings(max_examples=300, deadline=None)
@given(keys_of_all_kinds, st.integers(1, 9), st.booleans())
def test_scattering(keys: list[Any], number: int, in_dict: bool) -> None:
    values = [object() for _ in keys]
    table = dict(zip(keys, values))

    def scattered() -> Any:
        hands: list[Any] = [[[] for _ in range(number)] for _ in range(2)]
        if in_dict:
            scatter_by_hash(table, table.values(), *hands)
        else:
            scatter_by_hash(keys, values, *hands)
        return ids(hands[0]), ids(hands[1])

    assert scattered() == in_python(scattered)
    places = [portable_hash(k) % number for k in (table if in_dict else keys)]
    assert [len(hand) for hand in scattered()[0]] == [places.count(p) for p in range(number)]


@built
@settings(max_examples=200, deadline=None)
@given(st.lists(keys_of_all_kinds, max_size=3))
def test_grouping_and_keeping(frames: list[list[Any]]) -> None:
    def grouped() -> Any:
        table: defaultdict[Any, list[Any]] = defaultdict(list)
        for keys in frames:
            group_columns(table, keys, list(range(len(keys))))
        return [(id(k), vs) for k, vs in table.items()]

    def kept() -> Any:
        table: dict[Any, None] = {}
        for keys in frames:
            keep_first_keys(table, keys)
        assert set(table.values()) <= {None}
        return list(map(id, table))

    assert grouped() == in_python(grouped)
    assert kept() == in_python(kept) == [key for key, _ in grouped()]


@built
def test_a_tuple_that_is_too_deep_is_left_to_python() -> None:
    deep: Any = ()
    for _ in range(200):
        deep = (deep, 1)
    hands: list[list[Any]] = [[] for _ in range(7)]
    assert deal_by_hash([deep, 1], hands) == 2
    assert hands[portable_hash(deep) % 7][0] is deep


def bits(counter: StatCounter) -> list[tuple[type, bytes]]:
    # The sign of a NaN hangs on the order of operands that a compiler likes.
    return [(type(v), struct.pack("d", v if v == v else NAN)) for v in vars(counter).values()]


@built
@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.floats(width=64)
        | st.integers(-(2**900), 2**900)
        | st.integers(-9, 9)
        | st.booleans()
        | st.integers().map(Number)
        | st.sampled_from([5e-324, -0.0, 0, NAN, float("inf"), 1.7e308]),
        max_size=50,
    )
)
def test_statistics_to_the_last_bit(values: list[Any]) -> None:
    assert bits(StatCounter(values)) == bits(in_python(lambda: StatCounter(values)))


class Stops:
    """A key whose hash, or comparison, ends a loop."""

    def __init__(self, in_hash: bool) -> None:
        self.in_hash = in_hash

    def __hash__(self) -> int:
        if self.in_hash:
            raise StopIteration
        return 1

    def __eq__(self, other: object) -> bool:
        raise StopIteration


@pytest.mark.parametrize("is_native", [pytest.param(True, marks=built), False])
@pytest.mark.parametrize("in_hash", [True, False])
def test_a_stop_iteration_of_a_key_is_an_error(is_native: bool, in_hash: bool) -> None:
    keys = [2, Stops(in_hash), Stops(in_hash), 3]

    def keep() -> None:
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            keep_first_keys({}, list(keys))

    def group() -> None:
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            group_columns(defaultdict(list), list(keys), [0] * 4)

    for check in (keep, group):
        if is_native:
            check()
        else:
            in_python(check)


class Meddler:
    """A key that empties lists whenever it is hashed."""

    lists: tuple[list[Any], ...] = ()

    def __hash__(self) -> int:
        for one in self.lists:
            one.clear()
        return 5

    def __eq__(self, other: object) -> bool:
        for one in self.lists:
            one.clear()
        return False


KINDS_THAT_MEDDLE = """
from minispark.kernels import native

class Kind(type):
    lists = ()
    def __hash__(cls):
        for one in Kind.lists:
            one.clear()
        return type.__hash__(cls)

class Key(metaclass=Kind):
    pass

kinds = frozenset({int, Key})
hands = [[[], []] for _ in range(3)]
for _ in range(50):
    keys, values = [Key() for _ in range(9)], [object() for _ in range(9)]
    Kind.lists = keys, values
    assert native.NATIVE.scatter(keys, values, hands[0], hands[1], kinds, True) == 1
    Kind.lists = keys = [Key() for _ in range(9)],
    assert native.NATIVE.deal(keys[0], hands[2], kinds, True) == 1
    Kind.lists = ()
assert [sum(map(len, pair)) for pair in hands] == [50, 50, 50]
"""


@built
def test_types_that_change_lists_break_nothing() -> None:
    """In a process of its own, since it would end with the process."""
    done = subprocess.run([sys.executable, "-c", KINDS_THAT_MEDDLE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@built
def test_lists_that_change_meanwhile_break_nothing() -> None:
    module: Any = native.NATIVE
    kinds = frozenset({Meddler})

    def lists() -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        made: Any = [Meddler() for _ in range(9)], list(range(9)), [[], [], []], [[], [], []]
        Meddler.lists = made
        return made  # type: ignore[no-any-return]

    try:
        keys, values, hands, value_hands = lists()
        with pytest.raises(RuntimeError, match="hands changed"):
            module.scatter(keys, values, hands, value_hands, kinds, False)
        keys, _, hands, _ = lists()
        with pytest.raises(RuntimeError, match="hands changed"):
            module.deal(keys, hands, kinds, True)
        keys, values, _, _ = lists()
        table: dict[Any, Any] = {}
        Meddler.lists = ()
        for k in [Meddler() for _ in range(3)]:
            table[k] = []
        Meddler.lists = keys, values
        module.group(table, keys, values)
        assert keys == values == []
        keys, _, _, _ = lists()
        module.keep(table, keys)
        assert len(table) == 5
    finally:
        Meddler.lists = ()


WRONG = {
    "scatter": [
        (),
        ([], [], [], [], {int}, True),
        ([1], [], [[]], [[]], {int}, True),
        ((1,), (1,), [[]], [[]], {int}, True),
        ([1], [1], [()], [[]], {int}, True),
        ([1], [1], [[]], [[]], 5, True),
        ([1], [1], [[]], [[], []], {int}, True),
    ],
    "deal": [
        (),
        ([1], [], {int}, True),
        ([1], [{}], {int}, True),
        ((1,), [[]], {int}, True),
        ([1], [[]], None, True),
    ],
    "group": [(), ([], [], []), ({}, (), []), ({}, [], ()), ({1: ()}, [1], [1])],
    "keep": [(), ([], []), ({}, ())],
    "merge_numbers": [
        (),
        ((), 0, 0, 0, 0, 0, 0),
        ([], -1, 0, 0, 0, 0, 0),
        ([], 0, "", 0, 0, 0, 0),
        ([], "", 0, 0, 0, 0, 0),
    ],
}


@built
@pytest.mark.parametrize("name", WRONG)
def test_what_it_is_not_meant_for_is_refused(name: str) -> None:
    for arguments in WRONG[name]:
        with pytest.raises((TypeError, ValueError)):
            getattr(native.NATIVE, name)(*arguments)


@built
def test_references_are_given_back() -> None:
    module: Any = native.NATIVE
    keys: list[Any] = [10**20 + i for i in range(50)]
    values: list[Any] = [10**21 + i for i in range(50)]
    everything = [*keys, *values, None, int]

    def counts() -> list[int]:
        return [sys.getrefcount(one) for one in everything]

    def work() -> None:
        hands: list[Any] = [[[], []] for _ in range(3)]
        assert module.scatter(keys, values, hands[0], hands[1], frozenset({int}), True) == 50
        assert module.deal(keys, hands[2], frozenset({int}), True) == 50
        table: dict[Any, Any] = {}
        module.group(table, keys, values)
        module.group(table, keys, values)
        module.keep(dict.fromkeys(keys[:9]), keys)
        module.merge_numbers(values, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
        with pytest.raises(TypeError):
            module.group({}, [keys[0], []], values)
        with pytest.raises(OverflowError):
            module.merge_numbers([1, 10**400], 0, 0.0, 0.0, 0.0, 0.0, 0.0)

    work()
    # What other tests left behind refers to None as well.
    gc.collect()
    gc.disable()
    try:
        before = counts()
        for _ in range(20):
            work()
        after = counts()
    finally:
        gc.enable()
    assert before[:100] == after[:100]
    # None is everybody's; `keep` put it into a dict 820 times.
    assert abs(after[100] - before[100]) < 400


PROGRAM = """
import json
from minispark import SparkContext
from minispark.kernels import native
sc = SparkContext("local-process[2]", "twins")
has = sc.range(8, numSlices=8).map(lambda _: native.NATIVE is not None).distinct().collect()
pairs = sc.range(5000, numSlices=4).map(lambda i: (f"k{i * 7919 % 600}", i * 0.37))
other = sc.range(600, numSlices=3).map(lambda i: (f"k{i}", i))
odd = sc.parallelize([(True, 1), (1, 2.5), (None, 3), ((1, None), 4), (-1, 5), (10**30, 6)] * 9, 5)
print(json.dumps([
    has,
    pairs.groupByKey().mapValues(list).collect(),
    pairs.join(other, 5).collect(),
    pairs.fullOuterJoin(odd, 4).map(repr).collect(),
    odd.reduceByKey(lambda a, b: a + b).map(repr).collect(),
    pairs.partitionBy(7).glom().collect(),
    pairs.map(lambda kv: ((kv[0], None, (kv[1], b"x")), 1)).partitionBy(7).map(repr).collect(),
    odd.map(lambda kv: (kv, kv[1])).partitionBy(3).map(repr).glom().collect(),
    sc.range(90_000, numSlices=3).map(lambda i: i * 2654435761 % 80_021).distinct(4).collect(),
    repr(pairs.values().stats()), repr(odd.values().stats().asDict()), repr(pairs.values().mean()),
]))
sc.stop()
"""


@built
@pytest.mark.own_context
def test_programs_give_the_same_without_it() -> None:
    def outcome(switch: str) -> list[Any]:
        environment = {**os.environ, native.SWITCH: switch}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    (has, *found), (has_not, *wanted) = outcome("0"), outcome("1")
    assert (has, has_not) == ([True], [False])
    assert found == wanted
