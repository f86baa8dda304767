"""Cached blocks of others: who is asked, what is copied where, what a fault leads to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import PySparkRuntimeError
from minispark.ids import ExecutorId, NodeId, RddId, TaskId
from minispark.plan.spec import BlockKey, BlockUpdate
from minispark.runtime.block_broker import BlockBroker
from minispark.runtime.block_copies import BlockCopies
from minispark.runtime.messages import BlockSource
from minispark.scheduler.blocks import BlockTracker
from minispark.storage.blockfile import block_name
from minispark.storage.blocks import BlockStore
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storagelevel import StorageLevel

BLOCK: BlockKey = (RddId(1), 5)
A, B, C = (ExecutorId(name) for name in "abc")
HERE, N1, N2, N3 = (NodeId(name) for name in ("here", "n1", "n2", "n3"))


# -- the driver's side ------------------------------------------------------------


class Cluster:
    """A broker, what it sends, and who has the block."""

    def __init__(self, *holders: ExecutorId) -> None:
        self.living = {A, B, C}
        self.sent: list[tuple[ExecutorId, tuple[Any, ...]]] = []
        tracker = BlockTracker()
        for holder in holders:
            tracker.update(holder, N1, [BlockUpdate(BLOCK, True, False)])
        self.broker = BlockBroker(
            tracker, self.living, lambda who, what: self.sent.append((who, what))
        )

    def take(self) -> list[tuple[ExecutorId, tuple[Any, ...]]]:
        sent = self.sent[:]
        self.sent.clear()
        return sent


def test_the_holder_is_asked_once_for_all_who_wait() -> None:
    cluster = Cluster(A)
    cluster.broker.wanted(B, TaskId(1), BLOCK)
    cluster.broker.wanted(C, TaskId(2), BLOCK)
    assert cluster.take() == [(A, ("export", BLOCK))]
    cluster.broker.exported(A, BLOCK, N1)
    assert cluster.take() == [
        (B, ("block_at", 1, BLOCK, N1)),
        (C, ("block_at", 2, BLOCK, N1)),
    ]
    cluster.broker.exported(A, BLOCK, N1)  # said twice
    assert cluster.take() == []


@pytest.mark.parametrize("holders", [(), (B,), (A,)])
def test_nobody_has_it(holders: tuple[ExecutorId, ...]) -> None:
    """Nobody at all, the asker itself, or the dead."""
    cluster = Cluster(*holders)
    cluster.living.discard(A)
    cluster.broker.wanted(B, TaskId(1), BLOCK)
    assert cluster.take() == [(B, ("block_at", 1, BLOCK, None))]


def test_a_holder_that_dies_lets_nobody_wait() -> None:
    cluster = Cluster(A)
    cluster.broker.wanted(B, TaskId(1), BLOCK)
    cluster.take()
    cluster.broker.executor_lost(C)
    assert cluster.take() == []
    cluster.broker.executor_lost(A)
    assert cluster.take() == [(B, ("block_at", 1, BLOCK, None))]


# -- the executor's side ----------------------------------------------------------


class Others:
    """Other nodes, each a directory."""

    def __init__(self, here: NodeFiles, nodes: dict[NodeId, NodeFiles]) -> None:
        self.here = here
        self.nodes = nodes
        self.dead: set[NodeId] = set()

    def peers(self) -> Sequence[NodeId]:
        return sorted(self.nodes)

    def _files(self, node_id: NodeId) -> NodeFiles:
        if node_id in self.dead:
            raise ConnectionError(f"{node_id} is gone")
        return self.nodes[node_id]

    def store_file(self, node_id: NodeId, relpath: str, data: bytes | memoryview) -> None:
        self._files(node_id).write_atomic(relpath, [data])

    def copy_file(self, node_id: NodeId, relpath: str) -> None:
        self.here.write_atomic(relpath, [self._files(node_id).map_read(relpath)])


class Reader:
    others: Others | None = None


class Node:
    """This executor's blocks, its node, and three others."""

    def __init__(self, root: Path, alone: bool) -> None:
        self.files = NodeFiles(str(root / "here"))
        self.store = BlockStore(self.files, MemoryManager(1 << 20), freeze_gc=False)
        reader: Any = Reader()
        self.others = Others(self.files, {n: NodeFiles(str(root / n)) for n in (N1, N2, N3)})
        if not alone:
            reader.others = self.others
        self.copies = BlockCopies(HERE, self.store, reader)

    def put(self, level: StorageLevel) -> None:
        list(self.store.put(BLOCK, iter(range(3000)), level))
        self.copies.replicate(BLOCK, level)

    def with_file(self) -> list[NodeId]:
        nodes = {HERE: self.files, **self.others.nodes}
        return [n for n, files in nodes.items() if files.exists(block_name(BLOCK))]

    def reported(self) -> list[tuple[NodeId | None, bool, bool]]:
        return [(u.on_node, u.in_memory, u.on_disk) for u in self.store.drain_updates()]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, alone=False)


MEMORY_2, BOTH_2, DISK_2 = (
    StorageLevel.MEMORY_ONLY_2,
    StorageLevel.MEMORY_AND_DISK_2,
    StorageLevel.DISK_ONLY_2,
)


@pytest.mark.parametrize("level", [MEMORY_2, BOTH_2, DISK_2])
def test_alone_the_copy_is_a_file_of_the_node(tmp_path: Path, level: StorageLevel) -> None:
    node = Node(tmp_path, alone=True)
    node.put(level)
    assert node.with_file() == [HERE]
    assert node.reported() == [(None, level.useMemory, not level.useMemory), (HERE, False, True)]
    # When the heap lets it go, the file still counts.
    node.store._evict(1, None)
    assert node.reported() == ([(None, False, True)] if level.useMemory else [])
    assert list(node.store.get(BLOCK) or ()) == list(range(3000))


@pytest.mark.parametrize(
    ("level", "where"),
    [(MEMORY_2, [N1]), (DISK_2, [HERE, N1]), (StorageLevel.DISK_ONLY_3, [HERE, N1, N2])],
)
def test_the_copies_are_on_other_nodes(
    node: Node, level: StorageLevel, where: list[NodeId]
) -> None:
    node.put(level)  # 1 + 5 is 0 modulo 3
    assert node.with_file() == where
    assert node.reported()[1:] == [(n, False, True) for n in where if n != HERE]


def test_a_node_that_fails_is_passed_over(node: Node) -> None:
    node.others.dead |= {N1, N2}
    node.put(MEMORY_2)
    assert node.with_file() == [N3]
    node.others.dead.add(N3)
    node.reported()
    list(node.store.put((RddId(2), 0), iter([1]), MEMORY_2))
    node.copies.replicate((RddId(2), 0), MEMORY_2)  # at least the executor may die
    assert node.reported() == [(None, True, False), (HERE, False, True)]


def test_what_found_no_room_has_no_copy(node: Node) -> None:
    list(node.store.put(BLOCK, iter("x" * 1000 + str(i) for i in range(3000)), MEMORY_2))
    node.copies.replicate(BLOCK, MEMORY_2)
    assert node.with_file() == []
    assert node.reported() == []


def nobody() -> NodeId | None:
    return None


def test_a_file_of_another_node_is_brought_here(node: Node) -> None:
    node.put(MEMORY_2)
    node.store._evict(1, None)
    node.reported()
    source = BlockSource(BLOCK, (N3, N1), False)
    assert list(node.copies.bring(BLOCK, source, 0, nobody) or ()) == list(range(3000))
    assert node.with_file() == [HERE, N1]
    # The first one had lost it.
    assert node.reported() == [(N3, False, False), (HERE, False, True)]


def test_a_copy_of_an_earlier_run_is_not_there(node: Node) -> None:
    """As after a rollback: nobody has told the driver of this file, or it is out of date."""
    node.put(MEMORY_2)
    node.store._evict(1, None)
    node.reported()
    source = BlockSource(BLOCK, (N1,), False)
    assert node.copies.bring(BLOCK, source, 1, nobody) is None
    assert HERE not in node.with_file()
    assert (HERE, False, True) not in node.reported()


def test_what_is_in_a_heap_is_asked_for(node: Node) -> None:
    asked = []

    def ask() -> NodeId | None:
        asked.append(True)
        node.others.nodes[N2].write_atomic(block_name(BLOCK), [bytes(data)])
        return N2

    node.put(MEMORY_2)
    data = node.store.export(BLOCK)
    assert data is not None
    node.store.drop_rdd(BLOCK[0])
    source = BlockSource(BLOCK, (), True)
    assert list(node.copies.bring(BLOCK, source, 0, ask) or ()) == list(range(3000))
    assert asked == [True]
    assert node.copies.bring((RddId(9), 0), BlockSource((RddId(9), 0), (), True), 0, nobody) is None


def test_every_fault_means_not_there(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.put(MEMORY_2)
    node.store.drop_rdd(BLOCK[0])
    source = BlockSource(BLOCK, (N1,), False)
    node.others.dead.add(N1)
    assert node.copies.bring(BLOCK, source, 0, nobody) is None
    node.others.dead.clear()
    with monkeypatch.context() as patch:
        patch.setattr(node.others, "copy_file", _full)
        assert node.copies.bring(BLOCK, source, 0, nobody) is None
    # Damaged on its way or on the other node: the checksum tells.
    good = bytes(node.others.nodes[N1].map_read(block_name(BLOCK)))
    node.others.nodes[N1].write_atomic(block_name(BLOCK), [good[:-1] + b"?"])
    node.reported()
    assert node.copies.bring(BLOCK, source, 0, nobody) is None
    assert (HERE, False, True) not in node.reported()
    assert node.with_file() == [N1]


def _full(node_id: NodeId, relpath: str) -> None:
    raise PySparkRuntimeError("no space", "DISK_FULL")


def test_a_file_written_while_its_rdd_is_dropped_goes(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(node.store.put(BLOCK, iter(range(3000)), StorageLevel.MEMORY_ONLY))
    write = node.files.write_atomic

    def slow(relpath: str, chunks: Any) -> tuple[int, int]:
        node.store.drop_rdd(BLOCK[0])
        return write(relpath, chunks)

    monkeypatch.setattr(node.files, "write_atomic", slow)
    assert not node.store.to_file(BLOCK)
    assert node.with_file() == []


@pytest.mark.parametrize("level", [StorageLevel.MEMORY_AND_DISK, StorageLevel.MEMORY_ONLY])
@pytest.mark.parametrize("is_before", [True, False])
def test_a_block_evicted_while_it_is_written_is_where_it_is_said_to_be(
    node: Node, monkeypatch: pytest.MonkeyPatch, level: StorageLevel, is_before: bool
) -> None:
    list(node.store.put(BLOCK, iter(range(3000)), level))
    node.store.drain_updates()
    write = node.files.write_atomic
    writers = []

    def slow(relpath: str, chunks: Any) -> tuple[int, int]:
        writers.append(relpath)
        if is_before and len(writers) == 1:
            node.store._evict(1, None)
        written = write(relpath, chunks)
        if not is_before:
            node.store._evict(1, None)
        return written

    monkeypatch.setattr(node.files, "write_atomic", slow)
    assert node.store.to_file(BLOCK) == level.useDisk
    assert node.with_file() == ([HERE] if level.useDisk else [])
    if level.useDisk:
        assert list(node.store.get(BLOCK) or ()) == list(range(3000))
