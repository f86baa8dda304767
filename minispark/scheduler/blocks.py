"""Where the blocks of persisted RDDs are.

Owns: block -> executors that hold it in memory, nodes that hold it on disk.
Must not know: stages and jobs. What stands here is a hint for placement and
for "which shuffles need not be computed": a task that finds no block computes
it, and says `FetchFailed` when it lacks what that takes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple

from minispark.ids import ExecutorId, NodeId, RddId, ShuffleId
from minispark.plan.spec import Behind, BlockKey, BlockUpdate, shuffles_behind


class Holders(NamedTuple):
    """Who has a block; both empty when nobody has."""

    executors: tuple[ExecutorId, ...] = ()
    nodes: tuple[NodeId, ...] = ()


class _Block:
    __slots__ = ("executors", "nodes")

    def __init__(self) -> None:
        # Dicts as ordered sets: the order of arrival decides, not a hash.
        self.executors: dict[ExecutorId, None] = {}
        self.nodes: dict[NodeId, None] = {}


class BlockTracker:
    """The table of all persisted blocks."""

    def __init__(self) -> None:
        self._rdds: dict[RddId, dict[int, _Block]] = {}
        #: Grows with every block that lost its last holder.
        self.num_losses: int = 0
        #: Per RDD: as of when its oldest block's input was (`MapOutputs.num_clears`).
        self._as_of: dict[RddId, int] = {}
        #: Per RDD: `StageSpec.behind` of the first stage that ran and may have made blocks
        #: of it, reported or not. A checkpoint may cut the lineage later, and the blocks,
        #: or files that nobody knows of, stay what they are.
        self._origins: dict[RddId, Behind] = {}
        #: Per RDD: when something its blocks were made of was rolled back last.
        self._runs: dict[RddId, int] = {}
        self._by_executor: dict[ExecutorId, dict[BlockKey, None]] = {}
        self._by_node: dict[NodeId, dict[BlockKey, None]] = {}
        #: Nodes that were lost: a late word of a copy on them counts no more.
        self._dead: set[NodeId] = set()

    def holders(self, block: BlockKey) -> Holders:
        """Executors with the block in memory and nodes with it on disk."""
        entry = self._rdds.get(block[0], {}).get(block[1])
        return Holders(tuple(entry.executors), tuple(entry.nodes)) if entry else Holders()

    def is_complete(self, rdd_id: RddId, num_partitions: int) -> bool:
        """Whether every partition of the RDD has a block somewhere."""
        return len(self._rdds.get(rdd_id, ())) >= num_partitions

    def num_blocks(self, rdd_id: RddId) -> int:
        """How many partitions of the RDD have a block somewhere."""
        return len(self._rdds.get(rdd_id, ()))

    def as_of(self, rdd_id: RddId) -> int | None:
        """As of when the input of the RDD's oldest block was; None without blocks."""
        return self._as_of.get(rdd_id) if rdd_id in self._rdds else None

    def expect(self, behind: Behind) -> None:
        """A stage starts that may make blocks of these RDDs, and not live to tell of them."""
        for rdd_id in behind:
            self._origins.setdefault(rdd_id, behind)

    def roll_back(self, shuffles: Container[ShuffleId], run: int) -> None:
        """These shuffles are made anew: blocks made of them are of an earlier run."""
        for rdd_id, behind in self._origins.items():
            if any(shuffle_id in shuffles for shuffle_id in shuffles_behind(behind, rdd_id)):
                self._runs[rdd_id] = run

    def run(self, rdd_id: RddId) -> int:
        """The run that blocks of the RDD have to be of, as far as is known here."""
        return self._runs.get(rdd_id, 0)

    def update(
        self,
        executor_id: ExecutorId,
        node_id: NodeId,
        updates: Iterable[BlockUpdate],
        as_of: int | None = 0,
    ) -> bool:
        """Takes an executor's report; True when a block has no holder any more.

        `as_of` is the age of what the blocks were made of; None when nothing was made.
        """
        lost = False
        for change in updates:
            rdd_id, partition = change.block
            where = node_id if change.on_node is None else change.on_node
            if where in self._dead and change.on_disk:
                continue
            if change.in_memory or change.on_disk:
                # A copy is as old as what it was copied from, whoever made it.
                made = as_of if change.on_node is None else None
                before = self.as_of(rdd_id)
                if before is None or made is not None:
                    now = made or 0
                    self._as_of[rdd_id] = now if before is None else min(before, now)
            partitions = self._rdds.setdefault(rdd_id, {})
            entry = partitions.setdefault(partition, _Block())
            mine = self._by_executor.setdefault(executor_id, {})
            if change.on_node is not None:
                pass  # about a file alone
            elif change.in_memory:
                entry.executors[executor_id] = None
                mine[change.block] = None
            else:
                entry.executors.pop(executor_id, None)
                mine.pop(change.block, None)
            ours = self._by_node.setdefault(where, {})
            if change.on_disk:
                entry.nodes[where] = None
                ours[change.block] = None
            else:
                entry.nodes.pop(where, None)
                ours.pop(change.block, None)
            lost |= self._prune(change.block)
        return lost

    def lose_executor(self, executor_id: ExecutorId) -> bool:
        """Forgets what the executor held in memory; True when a block is gone."""
        lost = False
        for block in self._by_executor.pop(executor_id, ()):
            self._rdds[block[0]][block[1]].executors.pop(executor_id, None)
            lost |= self._prune(block)
        return lost

    def node_alive(self, node_id: NodeId) -> None:
        """An executor registered on the node: what is said of its disk counts."""
        self._dead.discard(node_id)

    def lose_node(self, node_id: NodeId) -> bool:
        """Forgets what the node held on disk; True when a block is gone."""
        lost = False
        self._dead.add(node_id)
        for block in self._by_node.pop(node_id, ()):
            self._rdds[block[0]][block[1]].nodes.pop(node_id, None)
            lost |= self._prune(block)
        return lost

    def forget(self, rdd_id: RddId) -> None:
        """Removes every block of an RDD."""
        self.num_losses += 1
        self._as_of.pop(rdd_id, None)
        self._origins.pop(rdd_id, None)
        for partition, entry in self._rdds.pop(rdd_id, {}).items():
            for executor_id in entry.executors:
                self._by_executor[executor_id].pop((rdd_id, partition), None)
            for node_id in entry.nodes:
                self._by_node[node_id].pop((rdd_id, partition), None)

    def _prune(self, block: BlockKey) -> bool:
        partitions = self._rdds[block[0]]
        entry = partitions[block[1]]
        if entry.executors or entry.nodes:
            return False
        self.num_losses += 1
        del partitions[block[1]]
        if not partitions:
            del self._rdds[block[0]]
            self._as_of.pop(block[0], None)
        return True

    def validate(self) -> None:
        """Raises AssertionError when the two views of the table differ."""
        assert self._as_of.keys() == self._rdds.keys(), "blocks of unknown age"
        for rdd_id, partitions in self._rdds.items():
            assert partitions, f"RDD {rdd_id} has an empty entry"
            for partition, entry in partitions.items():
                key = (rdd_id, partition)
                assert entry.executors or entry.nodes, f"block {key} has no holder"
                assert all(key in self._by_executor[e] for e in entry.executors), key
                assert all(key in self._by_node[n] for n in entry.nodes), key
        for blocks in (*self._by_executor.values(), *self._by_node.values()):
            assert all(p in self._rdds.get(r, {}) for r, p in blocks), "a block without entry"
