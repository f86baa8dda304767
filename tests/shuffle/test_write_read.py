"""What the map side writes is what the reduce side reads, or an error that names it."""

from __future__ import annotations

import operator
import os
import pickle
import random
from itertools import chain

import pytest

from minispark.errors import DiskFullError, PySparkTypeError
from minispark.kernels import elements
from minispark.kernels.hashing import portable_hash
from minispark.plan import steps
from minispark.plan.fuse import Loop
from minispark.plan.nodes import Aggregator, Ordering
from minispark.shuffle.format import (
    CorruptBlockError,
    decode_size,
    encode_size,
    map_output_name,
    open_index,
    raw_block_range,
    shuffle_prefix,
    verified,
    write,
)
from minispark.shuffle.merge import merge_records
from minispark.shuffle.reader import FetchFailedError, LocalFetcher, MapLocation, read_blocks
from minispark.shuffle.writer import write_map_output
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager

ADD = Aggregator(lambda x: x, operator.add, operator.add)
GROUP = Aggregator(lambda x: [x], lambda a, x: [*a, x], lambda a, b: a + b, "group")
LOCATION = MapLocation(3, 5, "node")
REDUCERS = 4


def output(records, task, *, map_id=3, attempt=5, **changes):
    arguments = {
        "shuffle_id": 7,
        "map_id": map_id,
        "attempt": attempt,
        "num_reducers": REDUCERS,
        "partition": portable_hash,
        "aggregator": None,
        "map_side_combine": False,
        **task,
        **changes,
    }
    return write_map_output(iter(records), **arguments)


def block(task, reduce_id, locations=(LOCATION,)):
    frames = read_blocks(LocalFetcher(task["files"]), 7, reduce_id, locations)
    return list(chain.from_iterable(frames))


def expected_block(pairs, reduce_id):
    return [(k, v) for k, v in pairs if portable_hash(k) % REDUCERS == reduce_id]


def some_pairs(count, keys=300):
    rng = random.Random(count)
    return [(rng.choice([rng.randrange(keys), f"k{rng.randrange(keys)}"]), i) for i in range(count)]


@pytest.mark.parametrize("count", [0, 1, 500, 20_000])
def test_plain_pairs_keep_their_order(task, count):
    pairs = some_pairs(count)
    sizes, total, _ = output(pairs, task)
    for r in range(REDUCERS):
        assert block(task, r) == expected_block(pairs, r)
        assert (sizes[r] == 0) is (not expected_block(pairs, r))
    assert len(sizes) == REDUCERS
    assert sum(map(decode_size, sizes)) >= total * 0.99
    size = os.path.getsize(task["files"].path(map_output_name(7, 3, 5)))
    assert total < size < total + 200


def test_spilled_and_unspilled_blocks_hold_the_same_records(task):
    # In particular the order of the records must not depend on the budget.
    pairs = some_pairs(5000)
    output(((k, [v]) for k, v in pairs), task, aggregator=ADD, map_side_combine=True)
    for r in range(REDUCERS):
        merged = {}
        for k, values in block(task, r):
            merged.setdefault(k, []).extend(values)
        expected = {}
        for k, v in expected_block(pairs, r):
            expected.setdefault(k, []).append(v)
        assert list(merged.items()) == list(expected.items())


class Key(str):
    """A subclass."""


@pytest.mark.parametrize("count", [0, 30, 5000])
def test_keys_alone_are_written_as_pairs_with_none(task, memory, tmp_path, count):
    """Of equal keys the first stays, with its type; in their order, spilled or not."""
    odd = [1, True, 1.0, 10**30, -0.0, 0, False, None, float("inf"), "a", Key("a"), b"a", (1,), ()]
    rng = random.Random(count)
    keys = [rng.choice([*odd, rng.randrange(5000), f"k{rng.randrange(50)}"]) for _ in range(count)]
    first = Aggregator(elements.identity, elements.keep_first, elements.keep_first)
    how = {"aggregator": first, "map_side_combine": True, "num_reducers": REDUCERS}
    where = {"shuffle_id": 7, "map_id": 3, "attempt": 5, "partition": portable_hash}
    step = steps.Map(elements.with_none)
    write_map_output(Loop(iter(keys), [step], [None]), **where, **how, **task)
    roomy = {**task, "memory": MemoryManager(1 << 40), "files": NodeFiles(str(tmp_path / "other"))}
    output(((k, None) for k in keys), roomy, **how)
    for r in range(REDUCERS):
        kept = {}
        for k, v in block(task, r):
            kept.setdefault(k, (type(k), v))
        expected = [(k, (type(k), v)) for k, v in block(roomy, r)]
        assert list(kept.items()) == expected


@pytest.mark.parametrize("how", [{}, {"aggregator": GROUP}], ids=["pairs", "groups"])
def test_fingerprint_depends_on_the_records_alone(task, tmp_path, how):
    pairs = some_pairs(20_000)
    other = [*pairs[1:], ("one more", 0)]
    roomy = {**task, "memory": MemoryManager(1 << 40), "files": NodeFiles(str(tmp_path / "other"))}
    expected = output(pairs, roomy, **how).fingerprint
    assert expected
    # Equal records that are other objects may be pickled to other bytes.
    copies = [
        (str(k) if isinstance(k, str) else k, v) for k, v in pickle.loads(pickle.dumps(pairs))
    ]
    assert output(copies, task, **how).fingerprint == expected
    assert output(other, task, **how).fingerprint != expected


def test_fingerprint_is_unknown_where_memory_cut_the_combining(task, memory, tmp_path):
    pairs = [(str(k), v) for k, v in some_pairs(20_000)]
    how = {"aggregator": ADD, "map_side_combine": True}
    roomy = {**task, "memory": MemoryManager(1 << 40), "files": NodeFiles(str(tmp_path / "other"))}
    assert output(pairs, task, **how).fingerprint in (0, output(pairs, roomy, **how).fingerprint)


@pytest.mark.parametrize("map_side_combine", [True, False])
@pytest.mark.parametrize("aggregator", [ADD, GROUP], ids=["add", "group"])
def test_two_maps_merged(task, memory, aggregator, map_side_combine):
    first, second = some_pairs(6000), some_pairs(3000)
    how = {"aggregator": aggregator, "map_side_combine": map_side_combine}
    output(first, task, map_id=0, **how)
    output(second, task, map_id=1, **how)
    locations = (MapLocation(0, 5, "node"), MapLocation(1, 5, "node"))
    for r in range(REDUCERS):
        frames = read_blocks(LocalFetcher(task["files"]), 7, r, locations)
        found = list(merge_records(chain.from_iterable(frames), ordering=None, **how, **task))
        memory.release_task(1)
        groups = {}
        for k, v in expected_block(first + second, r):
            groups.setdefault(k, []).append(v)
        if aggregator is ADD:
            assert found == [(k, sum(values)) for k, values in groups.items()]
        else:
            assert [(k, list(v)) for k, v in found] == list(groups.items())


def test_sorted_read(task):
    pairs = [(i * 7919 % 1000, i) for i in range(5000)]
    output(pairs, task)
    for r in range(REDUCERS):
        found = merge_records(
            block(task, r),
            aggregator=None,
            map_side_combine=False,
            ordering=Ordering(False, None),
            **task,
        )
        expected = sorted(expected_block(pairs, r), key=lambda kv: kv[0], reverse=True)
        assert list(found) == expected


def test_many_reducers_and_large_records(task):
    pairs = [(i, "x" * 20_000) for i in range(300)]
    output(pairs, task, num_reducers=100, partition=lambda k: k)
    for r in range(100):
        assert block(task, r) == [p for p in pairs if p[0] % 100 == r]


def test_pairs_of_any_kind_become_tuples(task):
    output([[1, 2], (3, 4), "ab"], task, num_reducers=1)
    found = block(task, 0)
    assert found == [(1, 2), (3, 4), ("a", "b")]
    assert {type(x) for x in found} == {tuple}


def test_negative_and_numpy_partitions(task):
    import numpy as np

    output([(1, 1)], task, partition=lambda k: -1)
    assert block(task, 3) == [(1, 1)]
    output([(1, 1)], task, partition=lambda k: np.int64(6), aggregator=ADD, map_side_combine=True)
    assert block(task, 2) == [(1, 1)]


BAD = [
    (5, r"pair \(key, value\), got int: 5"),
    (None, "got NoneType: None"),
    ((1, 2, 3), r"got tuple: \(1, 2, 3\)"),
    (([1], 2), r"\(\[1\], 2\)|\[1\]"),
]


@pytest.mark.parametrize(("record", "message"), BAD)
@pytest.mark.parametrize("aggregator", [None, ADD, GROUP], ids=["plain", "add", "group"])
def test_bad_record_is_named_and_nothing_is_written(task, record, message, aggregator):
    with pytest.raises(PySparkTypeError, match=message):
        output(
            [(1, 2)] * 70 + [record],
            task,
            aggregator=aggregator,
            map_side_combine=aggregator is not None,
        )
    assert not task["files"].exists(map_output_name(7, 3, 5))


def test_unhashable_key_with_a_partition_function_that_takes_it(task):
    output([([1], 2)], task, partition=len)
    assert block(task, 1) == [([1], 2)]


@pytest.mark.parametrize("combine", [True, False])
def test_partition_function_must_give_an_int(task, combine):
    with pytest.raises(PySparkTypeError, match=r"key 'a' it gave 0\.5 \(float\)"):
        output([("a", 1)], task, partition=lambda k: 0.5, aggregator=ADD, map_side_combine=combine)
    with pytest.raises(PySparkTypeError, match="it gave None"):
        output([("a", 1)], task, partition=lambda k: None, aggregator=ADD, map_side_combine=combine)


@pytest.mark.parametrize("combine", [True, False])
@pytest.mark.parametrize("error", [ValueError("mine"), TypeError("mine"), KeyError("mine")])
def test_errors_of_users_pass_unchanged(task, combine, error):
    def failing(*_):
        raise error

    def source():
        yield 1, 2
        failing()

    how = {"aggregator": ADD, "map_side_combine": combine}
    with pytest.raises(type(error)) as caught:
        output([(1, 2)], task, partition=failing, **how)
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        output(source(), task, **how)
    assert caught.value is error


def test_disk_full_leaves_nothing(task, monkeypatch):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(DiskFullError):
            output([(i, str(i) * 10) for i in range(20_000)], task)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [n for _, _, names in os.walk(task["files"].root) for n in names] == []


# Reading what was damaged.


def damage_flip(path):
    with open(path, "r+b") as file:
        file.seek(30)
        byte = file.read(1)
        file.seek(30)
        file.write(bytes([byte[0] ^ 1]))


def damage_index(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) - 30)
        byte = file.read(1)
        file.seek(os.path.getsize(path) - 30)
        file.write(bytes([byte[0] ^ 1]))


def damage_cut(path):
    os.truncate(path, os.path.getsize(path) - 1)


def damage_half(path):
    os.truncate(path, os.path.getsize(path) // 2)


def damage_empty(path):
    os.truncate(path, 0)


def damage_shift(path):
    with open(path, "r+b") as file:
        data = file.read()
        file.seek(0)
        file.write(b"x" + data)


@pytest.mark.parametrize(
    "damage",
    [damage_flip, damage_index, damage_cut, damage_half, damage_empty, damage_shift, os.unlink],
)
@pytest.mark.parametrize("opened_before", [True, False])
def test_damaged_output_is_a_fetch_failure(tmp_path, damage, opened_before):
    from minispark.storage.files import NodeFiles
    from minispark.storage.memory import MemoryManager

    around = {"files": NodeFiles(str(tmp_path)), "memory": MemoryManager(10**9), "task_id": 1}
    good = MapLocation(1, 5, "node")
    output(some_pairs(500), around, map_id=1)
    output(some_pairs(500), around)
    fetcher = LocalFetcher(around["files"])
    if opened_before:
        assert list(read_blocks(fetcher, 7, 1, [good, LOCATION]))
    path = around["files"].path(map_output_name(7, 3, 5))
    damage(path)
    os.utime(path, ns=(1, 1)) if os.path.exists(path) else None
    with pytest.raises(FetchFailedError, match="map partition 3") as caught:
        list(read_blocks(fetcher, 7, 0, [good, LOCATION]))
    assert caught.value.shuffle_id == 7
    assert caught.value.map_attempts == ((3, 5),)
    assert caught.value.node_id == "node"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.map_attempts, str(again)) == (((3, 5),), str(caught.value))


class FakeFetcher:
    def __init__(self, given):
        self.given = given

    def fetch(self, shuffle_id, reduce_id, locations):
        for item in self.given:
            if isinstance(item, Exception):
                raise item
            yield item


EMPTY = memoryview(b"")
A, B = MapLocation(0, 0, "a"), MapLocation(1, 0, "b")


@pytest.mark.parametrize(
    "given",
    [
        [(A, EMPTY)],
        [(B, EMPTY), (A, EMPTY)],
        [(A, EMPTY), ConnectionResetError("gone")],
        [(A, EMPTY), CorruptBlockError("changed")],
    ],
)
def test_fetcher_that_gives_too_little_is_a_fetch_failure(given):
    with pytest.raises(FetchFailedError) as caught:
        list(read_blocks(FakeFetcher(given), 7, 0, [A, B]))
    expected = A if given[0][0] is B else B
    assert caught.value.map_attempts == ((expected.map_id, expected.attempt),)
    assert caught.value.node_id == expected.node_id


def test_no_locations_no_records():
    assert list(read_blocks(FakeFetcher([]), 7, 0, [])) == []


def test_file_layout():
    data = memoryview(b"".join(write([[b"one", b"1"], [], [b"three"]])))
    index = open_index(data)
    assert index.num_reducers == 3
    assert [bytes(index.block(i)) for i in range(3)] == [b"one1", b"", b"three"]
    offset, length, crc = raw_block_range(index, 2)
    assert bytes(verified(data[offset : offset + length], length, crc)) == b"three"
    with pytest.raises(CorruptBlockError, match="4 bytes instead of 5"):
        verified(data[offset : offset + 4], length, crc)
    with pytest.raises(CorruptBlockError, match="checksum"):
        verified(memoryview(b"thref"), length, crc)


def test_every_flipped_byte_is_found():
    data = b"".join(write([[b"one"], [], [b"three"]]))
    for position in range(len(data)):
        bad = bytearray(data)
        bad[position] ^= 4
        with pytest.raises(CorruptBlockError):
            [open_index(memoryview(bad)).block(i) for i in range(3)]


def test_names():
    assert map_output_name(1, 2, 3).startswith(shuffle_prefix(1))
    assert not map_output_name(11, 2, 3).startswith(shuffle_prefix(1))


def test_sizes_in_one_byte():
    assert encode_size(0) == decode_size(0) == 0
    for size in (1, 2, 10, 1000, 123_456_789, 10**10):
        assert size * 0.99 - 1 <= decode_size(encode_size(size)) <= size * 1.1 + 1
    assert encode_size(10**15) == 255
