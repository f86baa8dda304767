"""Blocks of an earlier run of their input count as missing, wherever they are."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from minispark.ids import RddId
from minispark.plan.spec import BlockKey
from minispark.storage.blockfile import block_file, block_name, open_block
from minispark.storage.blocks import BlockStore
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storagelevel import StorageLevel

BLOCK: BlockKey = (RddId(1), 0)
OLD, NEW = ["old"] * 50, ["new"] * 50
HEAP, BOTH, DISK = (
    StorageLevel.MEMORY_ONLY,
    StorageLevel.MEMORY_AND_DISK,
    StorageLevel.DISK_ONLY,
)


class Pair:
    """Two executors of one node."""

    def __init__(self, root: Path) -> None:
        self.files = NodeFiles(str(root))
        self.memory = MemoryManager(1 << 20)
        self.store = BlockStore(self.files, self.memory, freeze_gc=False)
        self.other = BlockStore(NodeFiles(str(root)), MemoryManager(1 << 20), freeze_gc=False)

    def get(self, run: int) -> list[str] | None:
        found = self.store.get(BLOCK, run)
        return None if found is None else list(found)

    def write(self, rows: list[str], run: int) -> None:
        """A task of the other executor leaves the block's file."""
        list(self.other.put(BLOCK, iter(rows), DISK, run))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_a_file_bears_its_run_and_its_checksum_covers_it() -> None:
    data = bytearray(b"".join(block_file(OLD, 3)))
    for run, there in [(0, True), (3, True), (4, False)]:
        assert (open_block(memoryview(data), run) is not None) is there
    for at in range(len(data)):  # whatever is changed, also the run
        damaged = bytearray(data)
        damaged[at] ^= 1
        assert open_block(memoryview(damaged)) is None


@pytest.mark.parametrize("level", [HEAP, BOTH, DISK])
def test_a_block_of_an_earlier_run_is_dropped(pair: Pair, level: StorageLevel) -> None:
    list(pair.store.put(BLOCK, iter(OLD), level, 1))
    pair.store.drain_updates()
    assert pair.get(0) == pair.get(1) == OLD
    assert pair.get(2) is None
    assert pair.memory.storage_bytes == 0
    assert not pair.files.exists(block_name(BLOCK))
    assert [(u.in_memory, u.on_disk) for u in pair.store.drain_updates()] == [(False, False)]
    assert pair.get(0) is None
    list(pair.store.put(BLOCK, iter(NEW), level, 2))
    assert pair.get(2) == NEW


def test_what_others_left_is_not_read_after_a_rollback(pair: Pair) -> None:
    pair.write(OLD, 0)  # and its executor dies before it says so
    assert pair.get(1) is None
    assert not pair.files.exists(block_name(BLOCK))


def test_a_good_file_stands_in_for_a_stale_heap(pair: Pair) -> None:
    list(pair.store.put(BLOCK, iter(OLD), HEAP, 0))
    pair.write(NEW, 1)
    pair.store.drain_updates()
    assert pair.get(1) == NEW
    assert [(u.in_memory, u.on_disk) for u in pair.store.drain_updates()] == [(False, True)]


def test_a_stale_block_stored_meanwhile_is_replaced(pair: Pair) -> None:
    def slow():
        list(pair.store.put(BLOCK, iter(OLD), HEAP, 0))
        yield from NEW

    assert list(pair.store.put(BLOCK, slow(), HEAP, 1)) == NEW
    assert pair.get(1) == NEW
    pair.store.drop_rdd(BLOCK[0])
    assert pair.memory.storage_bytes == 0


def test_a_cancelled_task_replaces_the_file_while_it_is_made(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = pair.files.write_atomic

    def overtaken(relpath, chunks):
        size = write(relpath, chunks)
        pair.write(OLD, 0)
        return size

    with monkeypatch.context() as patch:
        patch.setattr(pair.files, "write_atomic", overtaken)
        with pytest.raises(OSError, match="replaced"):  # and the task runs again
            pair.store.put(BLOCK, iter(NEW), DISK, 1)
    assert pair.get(1) is None
    assert list(pair.store.put(BLOCK, iter(NEW), DISK, 1)) == NEW


@pytest.mark.parametrize("level", [HEAP, BOTH])
def test_a_stale_file_is_no_copy_of_what_is_in_the_heap(pair: Pair, level: StorageLevel) -> None:
    list(pair.store.put(BLOCK, iter(NEW), level, 1))
    pair.write(OLD, 0)
    data = pair.store.export(BLOCK)
    assert data is not None
    assert list(chain.from_iterable(open_block(data, 1) or ())) == NEW
    pair.store.drain_updates()
    pair.store._evict(1, None)
    (update,) = pair.store.drain_updates()
    assert (update.in_memory, update.on_disk) == (False, level.useDisk)
    assert pair.get(1) == (NEW if level.useDisk else None)


def test_a_stale_file_is_replaced_for_those_who_ask_for_the_block(pair: Pair) -> None:
    list(pair.store.put(BLOCK, iter(NEW), HEAP, 1))
    pair.write(OLD, 0)
    assert pair.store.to_file(BLOCK)
    found = pair.other.get(BLOCK, 1)
    assert found is not None
    assert list(found) == NEW
