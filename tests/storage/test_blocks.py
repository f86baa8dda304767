"""Persisted blocks: whole or not at all, least recently used first, verified."""

from __future__ import annotations

import os
from itertools import chain

import pytest

from minispark import storagelevel
from minispark.errors import DiskFullError
from minispark.storage import blocks
from minispark.storage.blockfile import block_file, block_name, open_block
from minispark.storage.blocks import BlockStore
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager

Level = storagelevel.StorageLevel
ROWS = [f"row {i}" for i in range(100)]
#: About the bytes of ROWS in the heap.
BLOCK = 7_400


@pytest.fixture
def files(tmp_path):
    return NodeFiles(str(tmp_path))


@pytest.fixture
def memory():
    return MemoryManager(3 * BLOCK, 0.5)


@pytest.fixture
def store(files, memory):
    return BlockStore(files, memory, freeze_gc=False)


def rows(store, block):
    found = store.get(block)
    return None if found is None else list(found)


def fresh():
    return iter([f"row {i}" for i in range(100)])


@pytest.mark.parametrize(
    ("level", "in_memory"),
    [(Level.MEMORY_ONLY, True), (Level.MEMORY_AND_DISK, True), (Level.DISK_ONLY, False)],
)
def test_put_then_get(store, memory, level, in_memory):
    assert store.get((1, 0)) is None
    assert list(store.put((1, 0), fresh(), level)) == ROWS
    assert rows(store, (1, 0)) == ROWS
    assert rows(store, (1, 0)) == ROWS
    (update,) = store.drain_updates()
    assert (update.block, update.in_memory, update.on_disk) == ((1, 0), in_memory, not in_memory)
    assert store.drain_updates() == ()
    assert (memory.storage_bytes > 0) is in_memory


@pytest.mark.parametrize("level", [Level.MEMORY_ONLY, Level.MEMORY_AND_DISK, Level.DISK_ONLY])
@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_error_in_the_middle_stores_nothing(store, memory, files, level, error):
    def failing():
        yield from ROWS
        raise error

    with pytest.raises(type(error)):
        list(store.put((1, 0), failing(), level))
    assert store.get((1, 0)) is None
    assert memory.storage_bytes == 0
    assert store.drain_updates() == ()
    assert [f for _, _, names in os.walk(files.root) for f in names] == []


@pytest.mark.parametrize("level", [Level.MEMORY_ONLY, Level.MEMORY_AND_DISK, Level.DISK_ONLY])
def test_reader_that_stops_early_leaves_a_whole_block(store, level):
    assert next(store.put((1, 0), fresh(), level)) == "row 0"
    assert rows(store, (1, 0)) == ROWS


def test_least_recently_used_goes_first(store, memory):
    for rdd in (1, 2, 3):
        list(store.put((rdd, 0), fresh(), Level.MEMORY_ONLY))
        if rows(store, (1, 0)) is None:
            break
    store.drain_updates()
    held = [rdd for rdd in (1, 2, 3) if rows(store, (rdd, 0))]
    assert held == [1, 2, 3]
    assert rows(store, (1, 0)) == ROWS
    list(store.put((4, 0), fresh(), Level.MEMORY_ONLY))
    assert rows(store, (2, 0)) is None
    assert rows(store, (1, 0)) == rows(store, (4, 0)) == ROWS
    updates = store.drain_updates()
    first = updates[0]
    assert (first.block, first.in_memory, first.on_disk) == ((2, 0), False, False)
    assert memory.storage_bytes <= memory.total_bytes


def test_evicted_block_with_disk_moves_there(store, files):
    for rdd in (1, 2, 3, 4):
        list(store.put((rdd, 0), fresh(), Level.MEMORY_AND_DISK))
    assert files.exists(block_name((1, 0)))
    assert all(rows(store, (rdd, 0)) == ROWS for rdd in (1, 2, 3, 4))
    assert any(u.block == (1, 0) and u.on_disk for u in store.drain_updates())


def test_blocks_of_the_same_rdd_are_not_evicted(store):
    for partition in range(3):
        list(store.put((1, partition), fresh(), Level.MEMORY_ONLY))
    assert list(store.put((1, 3), fresh(), Level.MEMORY_ONLY)) == ROWS
    assert store.get((1, 3)) is None
    assert rows(store, (1, 0)) == ROWS


@pytest.mark.parametrize("level", [Level.MEMORY_ONLY, Level.MEMORY_AND_DISK])
def test_block_larger_than_memory(store, memory, level):
    big = [f"row {i}" for i in range(3000)]
    assert list(store.put((1, 0), iter(big), level)) == big
    assert memory.storage_bytes == 0
    if level.useDisk:
        assert rows(store, (1, 0)) == big
    else:
        assert store.get((1, 0)) is None


def test_refused_block_is_not_read_ahead(store):
    read = []
    source = (read.append(i) or f"row {i}" for i in range(100_000))
    first = next(store.put((1, 0), source, Level.MEMORY_ONLY))
    assert first == "row 0"
    assert len(read) < 2000


def test_execution_evicts_blocks(store, memory):
    for rdd in (1, 2, 3):
        list(store.put((rdd, 0), fresh(), Level.MEMORY_ONLY))
    assert memory.acquire_execution(7, BLOCK) >= BLOCK
    assert rows(store, (1, 0)) is None
    assert rows(store, (3, 0)) == ROWS


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "delete"])
def test_damaged_file_counts_as_missing(store, files, damage):
    list(store.put((1, 0), fresh(), Level.DISK_ONLY))
    store.drain_updates()
    path = files.path(block_name((1, 0)))
    if damage == "delete":
        os.unlink(path)
    elif damage == "flip":
        with open(path, "r+b") as file:
            file.seek(40)
            file.write(b"\xff")
    else:
        os.truncate(path, os.path.getsize(path) - 1 if damage == "cut" else 0)
    assert store.get((1, 0)) is None
    assert not os.path.exists(path)
    if damage != "delete":
        (update,) = store.drain_updates()
        assert (update.in_memory, update.on_disk) == (False, False)
    list(store.put((1, 0), fresh(), Level.DISK_ONLY))
    assert rows(store, (1, 0)) == ROWS


def test_siblings_read_files(store, files):
    list(store.put((1, 0), fresh(), Level.DISK_ONLY))
    sibling = BlockStore(NodeFiles(files.root), MemoryManager(1000), freeze_gc=False)
    assert rows(sibling, (1, 0)) == ROWS


@pytest.mark.parametrize("level", [Level.MEMORY_ONLY, Level.DISK_ONLY])
def test_export_is_a_file_others_can_open(store, level):
    list(store.put((1, 0), fresh(), level))
    data = bytes(store.export((1, 0)))
    assert list(chain.from_iterable(open_block(memoryview(data)))) == ROWS
    assert store.export((9, 9)) is None


def test_drop_rdd(store, memory, files):
    list(store.put((1, 0), fresh(), Level.MEMORY_ONLY))
    list(store.put((1, 1), fresh(), Level.DISK_ONLY))
    list(store.put((11, 0), fresh(), Level.DISK_ONLY))
    store.drop_rdd(1)
    assert store.get((1, 0)) is None
    assert store.get((1, 1)) is None
    assert rows(store, (11, 0)) == ROWS
    assert memory.storage_bytes == 0


def test_full_disk_fails_the_put_but_not_an_eviction(store, files, monkeypatch):
    def full(relpath, chunks):
        raise DiskFullError(relpath)

    monkeypatch.setattr(files, "write_atomic", full)
    with pytest.raises(DiskFullError):
        store.put((9, 0), fresh(), Level.DISK_ONLY)
    for rdd in (1, 2, 3, 4):
        list(store.put((rdd, 0), fresh(), Level.MEMORY_AND_DISK))
    assert rows(store, (1, 0)) is None
    assert rows(store, (4, 0)) == ROWS


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["all_immutable", "dump_records"])
def test_a_task_cancelled_while_its_block_is_looked_at_leaves_no_memory_taken(
    store, memory, monkeypatch, where
):
    with monkeypatch.context() as patch:
        patch.setattr(blocks, where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.put((1, 0), iter([["a list"]] * 100), Level.MEMORY_ONLY)
    assert memory.storage_bytes == 0
    assert rows(store, (1, 0)) is None


def test_a_task_cancelled_while_it_moves_another_block_to_disk_leaves_no_memory_taken(
    store, memory, files, monkeypatch
):
    for rdd in (1, 2, 3):
        list(store.put((rdd, 0), fresh(), Level.MEMORY_AND_DISK))
    each = memory.storage_bytes // 3
    store.drain_updates()
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomic", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.put((4, 0), fresh(), Level.MEMORY_AND_DISK)
    assert memory.storage_bytes == 2 * each
    assert [(u.block, u.in_memory, u.on_disk) for u in store.drain_updates()] == [
        ((1, 0), False, False)
    ]
    assert rows(store, (1, 0)) is None
    assert rows(store, (2, 0)) == ROWS


def test_immutable_objects_are_handed_out_as_they_are(store):
    row = ("a", 1.5)
    list(store.put((1, 0), iter([row]), Level.MEMORY_ONLY))
    assert next(store.get((1, 0))) is row


def test_what_can_be_changed_is_handed_out_afresh(store):
    (row,) = store.put((1, 0), iter([("a", [1])]), Level.MEMORY_ONLY)
    row[1].append(2)
    (again,) = store.get((1, 0))
    assert again == ("a", [1])
    again[1].append(3)
    assert list(store.get((1, 0))) == [("a", [1])]
    assert next(map(open_block, [memoryview(bytes(store.export((1, 0))))])) is not None


def test_empty_block(store):
    for level in (Level.MEMORY_ONLY, Level.DISK_ONLY):
        assert list(store.put((1, level.useDisk), iter(()), level)) == []
        assert rows(store, (1, level.useDisk)) == []
    assert list(open_block(memoryview(b"".join(block_file([]))))) == []
