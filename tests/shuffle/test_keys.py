"""Keys without values: combined or passed on, the reduce side gets the same."""

from __future__ import annotations

import random
import sys
from itertools import chain

import pytest

from minispark.errors import PySparkTypeError
from minispark.kernels import elements, native
from minispark.kernels.hashing import portable_hash
from minispark.plan import steps
from minispark.plan.fuse import Loop
from minispark.plan.nodes import Aggregator
from minispark.shuffle import keys as module
from minispark.shuffle.merge import merge_records
from minispark.shuffle.reader import LocalFetcher, MapLocation, read_blocks
from minispark.shuffle.writer import write_map_output
from minispark.storage.memory import MemoryManager

FIRST = Aggregator(elements.identity, elements.keep_first, elements.keep_first)
NAN = float("nan")


class Text(str):
    """A subclass."""


class Number(int):
    """A subclass."""


ODD = [True, False, 1.0, 10**30, -(10**30), -1, -2, -0.0, NAN, None, "", "1", b"1", (1,), (NAN,)]
ODD += [Text("1"), Number(1), frozenset({1}), float("inf"), 2**61 - 1, 2**61]


def unique(count):
    return random.Random(1).sample(range(10 * count), count)


def with_odd_ones(count, every):
    rng = random.Random(count)
    return [rng.choice(ODD) if i % every == 0 else k for i, k in enumerate(unique(count))]


INPUTS = {
    "none": [],
    "few": [3, 1, 3],
    "unique": unique(900),
    "texts": [f"k{i}" for i in unique(900)],
    "bytes and ints": [b"%d" % i if i % 3 else i for i in unique(900)],
    "bools among ints": [k if i % 100 else k % 2 == 0 for i, k in enumerate(unique(900))],
    "in cycles": list(range(300)) * 3,
    "one again and again": [*unique(300), *[7] * 900],
    "multiples": [64 * i for i in unique(900)],
    "odd from the start": with_odd_ones(900, 3),
    "odd later": [*unique(700), *with_odd_ones(300, 20)],
    "a NaN later": [NAN if i > 400 and i % 10 == 0 else k for i, k in enumerate(unique(900))],
    "negative": [-i for i in unique(900)],
}


@pytest.fixture(params=[False, True], ids=["as it is", "looks early"])
def small(request, monkeypatch):
    """Everything happens a hundred times earlier."""
    if request.param:
        monkeypatch.setattr(module, "_LOOK", 64)
        monkeypatch.setattr(module, "_PIECE", 50)
        monkeypatch.setattr(module, "_SAMPLE", 8)
        monkeypatch.setattr(module, "_RARITY", 4)
        monkeypatch.setattr(module, "FRAME_RECORDS", 16)


def write(keys, task, *, map_id=0, reducers=4, partition=portable_hash, step=None):
    made = step or [steps.Map(elements.with_none)]
    return write_map_output(
        Loop(iter(keys), made, [None] * len(made)),
        shuffle_id=1,
        map_id=map_id,
        attempt=0,
        num_reducers=reducers,
        partition=partition,
        aggregator=FIRST,
        map_side_combine=True,
        **task,
    )


def block(task, reduce_id, maps=1):
    locations = [MapLocation(i, 0, "node") for i in range(maps)]
    return chain.from_iterable(read_blocks(LocalFetcher(task["files"]), 1, reduce_id, locations))


def merged(task, reduce_id, maps):
    how = {"aggregator": FIRST, "map_side_combine": True, "ordering": None}
    return [k for k, _ in merge_records(block(task, reduce_id, maps), **how, **task)]


def described(keys):
    """Keys so that 1, True and 1.0 differ, and a NaN from none."""
    return [(type(k), repr(k)) for k in keys]


@pytest.mark.parametrize("reducers", [1, 4, 100])
@pytest.mark.parametrize("name", INPUTS)
def test_the_first_of_equal_keys_stays_in_its_order(small, task, name, reducers):
    keys = INPUTS[name]
    parts = [keys, keys[::-1]]
    for i, part in enumerate(parts):
        write(part, task, map_id=i, reducers=reducers)
    # As a dict per map task and one of both would have it: a NaN is itself within a task,
    # and never what comes out of a file.
    kept = chain.from_iterable(dict.fromkeys(part) for part in parts)
    expected = [[] for _ in range(reducers)]
    seen = set()
    for k in kept:
        is_nan = repr(k) in ("nan", "(nan,)")
        if is_nan or k not in seen:
            seen.add(k)
            expected[portable_hash(k) % reducers].append(k)
    # Where memory cut a table, the same NaN may come once per table.
    is_cut = task["memory"].total_bytes < 1 << 20
    for r in range(reducers):
        found, wanted = described(merged(task, r, 2)), described(expected[r])
        if is_cut:
            found, wanted = ([k for k in ks if "nan" not in k[1]] for ks in (found, wanted))
        assert found == wanted


@pytest.mark.skipif(native.NATIVE is None, reason="the C twins were not built")
@pytest.mark.parametrize("name", INPUTS)
def test_blocks_are_the_same_without_the_c_twins(small, files, monkeypatch, name):
    task = {"files": files, "memory": MemoryManager(1 << 40), "task_id": 1}
    write(INPUTS[name], task)
    monkeypatch.setattr(native, "NATIVE", None)
    write(INPUTS[name], task, map_id=1)
    for r in range(4):
        one, other = (
            list(chain.from_iterable(read_blocks(LocalFetcher(files), 1, r, [location])))
            for location in (MapLocation(0, 0, "node"), MapLocation(1, 0, "node"))
        )
        assert described(k for k, _ in one) == described(k for k, _ in other)


def test_what_does_not_repeat_is_passed_on_and_what_does_is_not(small, files):
    task = {"files": files, "memory": MemoryManager(1 << 40), "task_id": 1}
    count = 40_000
    look = module._LOOK
    fresh = unique(count)
    again = fresh[: look // 2]
    # A key of the time before the look comes again while keys are passed on: few enough
    # of them go through, and reach the reduce side twice.
    write([*fresh[: 2 * look], *again[:2], *fresh[2 * look :]], task, reducers=2)
    passed = [k for r in range(2) for k, _ in block(task, r)]
    assert len(passed) == count + 2
    assert len(set(passed)) == count
    # Keys that repeat from the start are combined, to the last.
    write([*again, *fresh, *fresh] if look == 64 else again * 9, task, map_id=1, reducers=2)
    alone = [MapLocation(1, 0, "node")]
    blocks = [read_blocks(LocalFetcher(files), 1, r, alone) for r in range(2)]
    combined = [k for frames in blocks for frame in frames for k, _ in frame]
    assert len(combined) < (count * 1.3 if look == 64 else len(again) + 1)


def test_the_sample_keeps_no_key_in_memory():
    keys = [f"a key that may be large {i}" for i in range(9000)]
    before = list(map(sys.getrefcount, keys))
    repeats = module._Repeats([keys[:3000], []])
    repeats.add(keys[3000:])
    repeats.add(keys[3000:])
    assert list(map(sys.getrefcount, keys)) == before
    assert repeats.are_too_many()


def test_keys_that_begin_to_repeat_are_combined_again(small, files):
    task = {"files": files, "memory": MemoryManager(1 << 40), "task_id": 1}
    fresh = unique(50_000)
    for reducers in (1, 8):
        write(fresh * 6, task, reducers=reducers)
        written = sum(1 for r in range(reducers) for _ in block(task, r))
        # Once passed on, once from the table, and what passed until it was noticed.
        assert 50_000 < written < 150_000


def test_a_block_made_again_is_the_same(small, task):
    keys = INPUTS["in cycles"] + INPUTS["odd later"]
    one = write(keys, task)
    first = [list(block(task, r)) for r in range(4)]
    assert write(keys, task).fingerprint == one.fingerprint
    assert repr([list(block(task, r)) for r in range(4)]) == repr(first)


@pytest.mark.parametrize("name", ["in cycles", "odd later", "a NaN later", "texts"])
@pytest.mark.parametrize("step", [[], [steps.Filter(lambda k: not isinstance(k, int) or k % 3)]])
def test_how_memory_cuts_the_keys_into_pieces_changes_no_block(
    files, small, monkeypatch, name, step
):
    task = {"files": files, "memory": MemoryManager(1 << 40), "task_id": 1}
    rng = random.Random(7)
    how = [*step, steps.Map(elements.with_none)]
    keys = [*INPUTS[name], *INPUTS["unique"], *INPUTS["in cycles"]]
    made = []
    for limit in (lambda _: 1, lambda _: 64, lambda _: rng.randrange(1, 90)):
        monkeypatch.setattr(module._Combining, "limit", property(limit))
        written = write(keys, task, step=how)
        made.append(
            (written.fingerprint, [described(k for k, _ in block(task, r)) for r in range(4)])
        )
    assert made[0][0]
    assert made[0] == made[1] == made[2]


def test_keys_whose_hash_may_be_an_address_are_not_sampled(small, files):
    task = {"files": files, "memory": MemoryManager(1 << 40), "task_id": 1}
    fresh = unique(40_000)
    write([None, *fresh, *fresh[:5]], task)
    # Combined from the first to the last: each once.
    assert sum(1 for r in range(4) for _ in block(task, r)) == 40_001


def test_another_partition_function_places_each_key(small, task):
    write(unique(900), task, partition=lambda k: k // 10)
    for r in range(4):
        assert [k for k, _ in block(task, r)] == [k for k in unique(900) if k // 10 % 4 == r]


@pytest.mark.parametrize("at", [0, 800])
def test_a_key_without_hash_is_named(small, task, at):
    keys = [*unique(900)]
    keys.insert(at, [1, 2])
    with pytest.raises(PySparkTypeError, match=r"key of the record \(\[1, 2\], None\).*hashed"):
        write(keys, task)


def test_a_filter_may_leave_nothing_of_many_records(small, task):
    keys = [*range(5000), *range(100_000, 100_500)]
    step = [steps.Filter(lambda k: k >= 100_000), steps.Map(elements.with_none)]
    write(keys, task, step=step)
    found = sorted(k for r in range(4) for k, _ in block(task, r))
    assert found == list(range(100_000, 100_500))


def test_what_a_function_raises_passes(small, task):
    def fails(k):
        if k == 700:
            raise ValueError("mine")
        return k

    with pytest.raises(ValueError, match="mine"):
        write(range(900), task, step=[steps.Map(fails), steps.Map(elements.with_none)])


def test_few_large_keys_are_taken_at_a_time(files, monkeypatch):
    taken = []

    class Pieces(module._Pieces):
        def take(self, limit):
            keys = super().take(limit)
            taken.append(sum(map(len, keys)))
            return keys

    monkeypatch.setattr(module, "_Pieces", Pieces)
    monkeypatch.setattr(module, "_LOOK", 64)
    task = {"files": files, "memory": MemoryManager(1 << 26), "task_id": 1}
    write((f"{i:0200000d}" for i in range(200)), task)
    # What is held at a time, whether in a table or passed on.
    assert max(taken) <= 1 << 23
    assert sum(1 for r in range(4) for _ in block(task, r)) == 200
