"""External tables give what a dict gives, in its order, spilled or not."""

from __future__ import annotations

import itertools
import operator
import pickle
import random
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.errors import DiskFullError, PySparkRuntimeError, PySparkTypeError
from minispark.kernels import elements, joins
from minispark.plan.nodes import Aggregator
from minispark.shuffle.cogroup import CoGrouper
from minispark.shuffle.combine import ExternalCombiner
from minispark.shuffle.group import ExternalGrouper, SpilledValues, parts_of
from minispark.shuffle.pairs import is_identity, is_plus
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storage.serializer import PairFrame
from minispark.storage.spill import SpillFile


class Str(str):
    __slots__ = ()


HUGE, TINY = 1 << 40, 1000

ADD = Aggregator(lambda x: x, operator.add, operator.add)
LIST = Aggregator(lambda x: [x], lambda a, x: [*a, x], operator.add)


def plain_combine(pairs, aggregator):
    table = {}
    for k, v in pairs:
        if k in table:
            table[k] = aggregator.merge_value(table[k], v)
        else:
            table[k] = aggregator.create_combiner(v)
    return list(table.items())


def plain_group(pairs):
    table = {}
    for k, v in pairs:
        table.setdefault(k, []).append(v)
    return table


def some_pairs(count, keys, seed=1):
    rng = random.Random(seed)
    odd = [None, (1, None), "x", 2.5, frozenset({1})]
    return [
        (rng.choice(odd) if rng.random() < 0.05 else rng.randrange(keys), i) for i in range(count)
    ]


CASES = [(0, 1), (1, 1), (2000, 10), (2000, 2000), (3000, 300)]


@pytest.mark.parametrize(("count", "keys"), CASES)
@pytest.mark.parametrize("aggregator", [ADD, LIST], ids=["add", "list"])
def test_combiner_of_values(task, memory, count, keys, aggregator):
    pairs = some_pairs(count, keys)
    with ExternalCombiner(aggregator, combined=False, **task) as table:
        table.insert_all(iter(pairs))
        if memory.total_bytes == TINY or memory.total_bytes == HUGE:
            assert table.is_spilled is (memory.total_bytes == TINY and count > 1)
        assert list(table.items()) == plain_combine(pairs, aggregator)


@pytest.mark.parametrize(("count", "keys"), CASES)
def test_combiner_of_combiners(task, count, keys):
    pairs = [(k, [v]) for k, v in some_pairs(count, keys)]
    concat = Aggregator(LIST.create_combiner, LIST.merge_value, operator.add)
    with ExternalCombiner(concat, combined=True, **task) as table:
        for start in range(0, count, 1000):
            table.insert_all(pairs[start : start + 1000])
        expected = {k: list(v) for k, v in plain_group(some_pairs(count, keys)).items()}
        assert list(table.items()) == list(expected.items())


@pytest.mark.parametrize(("count", "keys"), CASES)
@pytest.mark.parametrize("combined", [False, True])
def test_grouper(task, count, keys, combined):
    pairs = some_pairs(count, keys)
    with ExternalGrouper(combined=combined, **task) as table:
        table.insert_all((k, [v]) if combined else (k, v) for k, v in pairs)
        found = [(k, list(v)) for k, v in table.items()]
    assert found == list(plain_group(pairs).items())


def test_one_key_with_most_records(files):
    # The values of "hot" do not fit in memory even alone.
    pairs = [("hot" if i % 10 else f"k{i % 70}", i) for i in range(30_000)]
    table = ExternalGrouper(combined=False, files=files, memory=MemoryManager(200_000), task_id=1)
    table.insert_all(iter(pairs))
    found = dict(table.items())
    expected = plain_group(pairs)
    assert list(found) == list(expected)
    hot = found["hot"]
    assert isinstance(hot, SpilledValues)
    assert len(hot) == 27_000
    assert list(hot) == list(hot) == expected["hot"]
    assert hot == expected["hot"]
    assert (hot[0], hot[-1], hot[5:7]) == (1, 29_999, [6, 7])
    with pytest.raises(IndexError):
        hot[27_000]
    table.close()
    assert sum(hot) == sum(expected["hot"])
    again = pickle.loads(pickle.dumps(hot))
    assert type(again) is list
    assert again == expected["hot"]
    assert type(found["k0"]) is list


def frames_of(pairs, size=7):
    """Pairs as blocks have them, and now and then as rows."""
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        yield part if start % 5 == 4 else PairFrame([k for k, _ in part], [v for _, v in part])


def fill(table, sources, by_frames):
    for i, source in enumerate(sources):
        if by_frames:
            table.insert_frames(i, frames_of(source))
        else:
            table.insert_source(i, iter(source))


@pytest.mark.parametrize("by_frames", [False, True], ids=["records", "frames"])
@pytest.mark.parametrize(("count", "keys"), CASES)
def test_cogrouper(task, count, keys, by_frames):
    sources = [some_pairs(count, keys, seed) for seed in (1, 2, 3)]
    with CoGrouper(3, **task) as table:
        fill(table, sources, by_frames)
        found = [(k, tuple(map(list, groups))) for k, groups in table.items()]
    expected = {}
    for i, source in enumerate(sources):
        for k, v in source:
            expected.setdefault(k, ([], [], []))[i].append(v)
    assert found == list(expected.items())


def test_cogroup_with_one_huge_group(files):
    left = [("hot" if i % 10 else f"k{i % 70}", i) for i in range(30_000)]
    right = [("hot", "one"), ("other", "two")]
    table = CoGrouper(2, files=files, memory=MemoryManager(200_000), task_id=1)
    table.insert_source(0, left)
    table.insert_source(1, right)
    found = dict(table.items())
    assert list(found) == [*plain_group(left), "other"]
    hot_left, hot_right = found["hot"]
    assert isinstance(hot_left, SpilledValues)
    assert list(hot_left) == plain_group(left)["hot"]
    assert hot_right == ["one"]
    assert found["other"] == ([], ["two"])


@pytest.mark.parametrize("length", [0, 1, 3, 4, 63, 64, 65, 128, 200])
@pytest.mark.parametrize("is_moved", [False, True])
def test_parts_are_the_whole(files, length, is_moved):
    values = list(range(length))
    if is_moved:
        values = SpilledValues(SpillFile(files), 4)
        values += range(length)
    parts = list(parts_of(values, 4))
    assert list(itertools.chain.from_iterable(p for p in parts if p is not None)) == list(values)
    assert all(0 < len(part) <= 4 for part in parts if part is not None) or not length
    together = [
        len(list(g)) for is_gap, g in itertools.groupby(p is None for p in parts) if not is_gap
    ]
    assert all(n <= (1 if is_moved else 16) for n in together)


@pytest.mark.parametrize("entries", [1, 2, 16, 17])
@pytest.mark.parametrize("kind", ["group", "cogroup"])
def test_nothing_is_lost_where_parts_are_written_at_once(files, monkeypatch, entries, kind):
    # Batches end where parts have to be written, before that, and both at once.
    monkeypatch.setattr("minispark.shuffle.table._SPLIT_ENTRIES", entries)
    pairs = [("hot" if i % 10 else f"k{i % 70}", i) for i in range(30_000)]
    around = {"files": files, "memory": MemoryManager(100_000), "task_id": 1}
    table = (
        CoGrouper(1, **around) if kind == "cogroup" else ExternalGrouper(combined=False, **around)
    )
    with table:
        table.insert_all(pairs)
        assert table.is_spilled
        found = [(k, list(v[0] if kind == "cogroup" else v)) for k, v in table.items()]
    assert found == list(plain_group(pairs).items())


def odd_side(rng, count, hot):
    """Pairs of odd keys, many of one key, with values of any size."""
    keys = [True, 1, 0, False, 1.0, None, (1, True), "x", Str("x"), 1 << 70, -0.0, hot, hot, hot]
    values = [True, 1, None, float("nan"), -0.0, 1 << 70, Str("v"), (1, [2]), "v" * 30_000]
    return [
        (rng.choice(keys) if rng.random() < 0.5 else rng.randrange(200), rng.choice(values))
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", ["cogroup", *joins.OF_GROUPS])
@pytest.mark.parametrize("sizes", [(3000, 60), (60, 3000), (1500, 0), (0, 1500)])
def test_what_spills_gives_what_does_not(files, kind, sizes):
    rng = random.Random(repr(sizes))
    sides = [odd_side(rng, size, hot) for size, hot in zip(sizes, ("hot", None), strict=True)]
    sides[0][5:5] = [(77, b"x" * 1_000_000)] * (3 if sides[0] else 0)

    def shown(budget):
        with CoGrouper(2, files=files, memory=MemoryManager(budget), task_id=1) as table:
            fill(table, sides, by_frames=budget == 1 << 18)
            assert table.is_spilled == (budget != HUGE)
            if kind != "cogroup":
                return [repr(pair) for pair in table.joined(kind)]
            return [
                (repr(k), [list(map(repr, vs)) for vs in groups]) for k, groups in table.items()
            ]

    assert shown(1 << 15) == shown(1 << 18) == shown(HUGE)


class Collides:
    """All keys have one hash: splitting does not help."""

    def __init__(self, x):
        self.x = x

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return self.x == other.x


def test_keys_with_equal_hashes(task):
    pairs = [(Collides(i % 40), i) for i in range(3000)]
    with ExternalGrouper(combined=False, **task) as table:
        table.insert_all(pairs)
        found = [(k.x, list(v)) for k, v in table.items()]
    assert found == list(plain_group([(k.x, v) for k, v in pairs]).items())


keys = st.none() | st.integers(-5, 5) | st.text(max_size=2) | st.tuples(st.integers(0, 2))


@given(st.lists(st.tuples(keys, st.integers())), st.sampled_from([300, 3000, 10**9]))
@settings(max_examples=60, deadline=None)
def test_any_pairs(pairs, budget):
    with tempfile.TemporaryDirectory() as root:
        around = {"files": NodeFiles(root), "memory": MemoryManager(budget), "task_id": 1}
        with ExternalCombiner(ADD, combined=False, **around) as table:
            table.insert_all(pairs)
            assert list(table.items()) == plain_combine(pairs, ADD)
        with ExternalGrouper(combined=False, **around) as table:
            table.insert_all(pairs)
            assert [(k, list(v)) for k, v in table.items()] == list(plain_group(pairs).items())


def test_error_of_a_user_function_passes_unchanged(task):
    class MineError(Exception):
        pass

    def broken(a, b):
        raise MineError("mine")

    for combined in (False, True):
        table = ExternalCombiner(Aggregator(lambda x: x, broken, broken), combined=combined, **task)
        with pytest.raises(MineError, match="^mine$"):
            table.insert_all([(1, 1), (1, 2)])
        table.close()


def test_type_error_of_a_user_function_passes_unchanged(task):
    table = ExternalCombiner(ADD, combined=False, **task)
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        table.insert_all([(1, 1), (1, "a")])
    assert not isinstance(caught.value, PySparkTypeError)
    table.close()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (5, r"pair \(key, value\), got int: 5"),
        (None, "got NoneType: None"),
        ((1, 2, 3), r"got tuple: \(1, 2, 3\)"),
        (([1], 2), r"record \(\[1\], 2\) cannot be hashed \(list\)"),
        (((1, {}), 2), "cannot be hashed"),
    ],
)
@pytest.mark.parametrize("kind", ["combine", "group", "cogroup"])
def test_bad_record_is_named(task, record, message, kind):
    if kind == "combine":
        table = ExternalCombiner(ADD, combined=False, **task)
    elif kind == "group":
        table = ExternalGrouper(combined=False, **task)
    else:
        table = CoGrouper(2, **task)
    for rows in ([record], [(1, 2), record]):
        with table, pytest.raises(PySparkTypeError, match=message):
            table.insert_all(rows)


def test_error_of_the_input_passes_unchanged(task):
    def failing():
        yield 1, 2
        raise TypeError("upstream")

    table = ExternalGrouper(combined=False, **task)
    with table, pytest.raises(TypeError, match="^upstream$"):
        table.insert_all(failing())


def test_first_values_are_not_changed_in_place(task):
    first = [1]
    with ExternalCombiner(ADD, combined=False, **task) as table:
        table.insert_all([("a", first), ("a", [2])])
        assert list(table.items()) == [("a", [1, 2])]
    assert first == [1]


def test_disk_full_says_so(files, monkeypatch):
    table = ExternalGrouper(combined=False, files=files, memory=MemoryManager(100), task_id=1)

    def full(self, frames):
        raise DiskFullError("no space")

    monkeypatch.setattr("minispark.storage.spill.SpillFile.append", full)
    with pytest.raises(DiskFullError):
        table.insert_all(some_pairs(5000, 100))
    table.close()


def test_memory_is_given_back_in_the_end(files):
    memory = MemoryManager(1 << 20)
    for budget in (memory, MemoryManager(1000)):
        table = ExternalCombiner(ADD, combined=False, files=files, memory=budget, task_id=1)
        table.insert_all(some_pairs(3000, 500))
        list(table.items())
        table.close()
        assert budget.execution_bytes == 0


def test_a_starved_table_does_not_spill_all_the_time(files, monkeypatch):
    memory = MemoryManager(16 << 20)
    # Another structure of the same task holds everything.
    assert memory.acquire_execution(1, 16 << 20) == 16 << 20
    spills = []
    spill_table = ExternalCombiner._spill_table
    monkeypatch.setattr(
        ExternalCombiner, "_spill_table", lambda self: spills.append(1) or spill_table(self)
    )
    with ExternalCombiner(ADD, combined=False, files=files, memory=memory, task_id=1) as table:
        table.insert_all(some_pairs(20_000, 10**9))
        assert 1 <= len(spills) <= 10


def test_budget_counts_values_not_lists(files):
    # Lists of many values arrive merged: each must count with all its values.
    memory = MemoryManager(1 << 20)
    with ExternalGrouper(combined=True, files=files, memory=memory, task_id=1) as table:
        table.insert_all((i % 3, list(range(1000, 2000))) for i in range(300))
        assert table.is_spilled


def test_plus_is_recognised_exactly():
    offset = 1
    assert is_plus(operator.add)
    assert is_plus(lambda x, y: x + y)
    assert is_plus(lambda x, y=3: x + y)
    assert not is_plus(lambda x, y: y + x)
    assert not is_plus(lambda x, y: x + y + 1)
    assert not is_plus(lambda x, y: x + y + offset)
    assert not is_plus(lambda x, y: x - y)
    assert not is_plus(lambda x, *y: x + y)
    assert not is_plus(lambda *x: x)
    assert not is_plus(max)
    assert is_identity(lambda x: x)
    assert not is_identity(lambda x: [x])
    assert not is_identity(lambda x: offset)
    assert not is_identity(lambda *x: x)
    assert not is_identity(str)


_NAN = float("nan")
odd_keys = st.one_of(
    st.integers(-2, 2),
    st.sampled_from(
        [0.0, -0.0, 1.0, True, False, None, _NAN, 1 << 70, Str("x"), "x", (1,), (1.0,)]
    ),
)
odd_pairs = st.lists(st.tuples(odd_keys, st.integers(0, 99)), max_size=25)


@pytest.mark.parametrize("kind", joins.OF_GROUPS)
@given(left=odd_pairs, right=odd_pairs, budget=st.sampled_from([100, 3000, 10**9]))
@settings(max_examples=50, deadline=None)
def test_joins_of_tables_are_those_of_groups(kind, left, right, budget):
    def cogrouper(root):
        return CoGrouper(2, files=NodeFiles(root), memory=MemoryManager(budget), task_id=1)

    expected = {}
    for i, side in enumerate((left, right)):
        for k, v in side:
            expected.setdefault(k, ([], []))[i].append(v)
    pairs = [(k, x) for k, groups in expected.items() for x in joins.OF_GROUPS[kind](groups)]
    with tempfile.TemporaryDirectory() as root:
        for is_cogroup, by_frames in itertools.product((True, False), (True, False)):
            with cogrouper(root) as table:
                fill(table, (left, right), by_frames)
                # Which of several equal keys stands for all is part of the answer. A NaN
                # is a key of its own each time it comes back from disk.
                if table.is_spilled and any(k != k for k, _ in left + right):
                    continue
                found = table.items() if is_cogroup else table.joined(kind)
                if is_cogroup:
                    found = ((k, tuple(map(list, groups))) for k, groups in found)
                wanted = expected.items() if is_cogroup else pairs
                assert repr(list(found)) == repr(list(wanted))


def test_a_frame_of_keys_that_cannot_be_keys(files):
    class Ending:
        def __hash__(self):
            raise StopIteration

    class Odd:
        def __hash__(self):
            raise ValueError("mine")

    def grouped(keys):
        with CoGrouper(2, files=files, memory=MemoryManager(HUGE), task_id=1) as table:
            table.insert_frames(0, iter([PairFrame(keys, list(range(len(keys))))]))

    with pytest.raises(PySparkTypeError, match=r"\(\[7\], 1\) cannot be hashed \(list\)"):
        grouped(["a", [7], {}])
    for keys in (["a", Ending(), "b"], ["a", Ending()]):
        with pytest.raises(RuntimeError):
            grouped(keys)
    with pytest.raises(ValueError, match="mine"):
        grouped(["a", Odd()])
    with pytest.raises(PySparkRuntimeError, match="2 keys and 1 values"):
        PairFrame([1, 2], [1])


@pytest.mark.parametrize("by_frames", [False, True], ids=["records", "frames"])
def test_sources_share_one_budget(files, by_frames):
    memory = MemoryManager(4 << 20)
    rows = [(i, "x" * 50) for i in range(12_000)]
    with CoGrouper(2, files=files, memory=memory, task_id=1) as table:
        fill(table, [rows], by_frames)
        assert not table.is_spilled
        table.insert_source(1, [(-i, x) for i, x in rows])
        assert table.is_spilled
        assert len(list(table.items())) == 23_999


@given(st.lists(odd_keys, max_size=40), st.sampled_from([200, 10**9]))
@settings(max_examples=60, deadline=None)
def test_the_first_of_equal_keys_stays(rows, budget):
    first = Aggregator(elements.identity, elements.keep_first, elements.keep_first)
    with tempfile.TemporaryDirectory() as root:
        around = {"files": NodeFiles(root), "memory": MemoryManager(budget), "task_id": 1}
        with ExternalCombiner(first, combined=True, **around) as table:
            table.insert_all((row, None) for row in rows)
            if not table.is_spilled or all(row == row for row in rows):
                assert repr(list(table.items())) == repr(list(dict.fromkeys(rows).items()))


class Stopping:
    """A key that cannot be compared: a `StopIteration` of the user's."""

    def __hash__(self):
        return 5

    def __eq__(self, other):
        return next(iter(()))


def all_of(table, rows):
    table.insert_all(rows)
    return list(table.items())


def test_a_stop_iteration_of_a_key_does_not_end_a_distinct(task):
    first = Aggregator(elements.identity, elements.keep_first, elements.keep_first)
    rows = [(key, None) for key in (Stopping(), Stopping(), 3)]
    with (
        ExternalCombiner(first, combined=True, **task) as table,
        pytest.raises(RuntimeError, match="StopIteration"),
    ):
        all_of(table, rows)
