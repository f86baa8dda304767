"""Executors and nodes that hold real "files" and blocks: what is lost is lost.

An executor reads where it was told that map outputs are, as executors do: the
last it was told, which may be newer than its task or out of date.
"""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass, field

from minispark.ids import ExecutorId, NodeId, RddId, ShuffleId
from minispark.plan.spec import BlockUpdate, Point, ShufflePoint, StageSpec
from minispark.scheduler.blocks import Holders
from minispark.scheduler.commands import LaunchTask
from tests.scheduler.simulation.plans import Value, stage_value

#: (map partition, attempt, node) of each map output.
Locations = list[tuple[int, int, NodeId]]


@dataclass
class Out:
    """A task as an executor has it."""

    launch: LaunchTask
    spec: StageSpec
    #: When its work is done, if it is given the time.
    ready_s: float
    #: Who had the cached blocks of its partition when it was launched.
    holders: dict[tuple[RddId, int], Holders] = field(default_factory=dict)
    is_cancelled: bool = False


@dataclass
class Box:
    """A living executor."""

    node: NodeId
    tasks: list[Out] = field(default_factory=list)
    blocks: dict[tuple[RddId, int], Value] = field(default_factory=dict)
    inputs: dict[ShuffleId, Locations] = field(default_factory=dict)


class Missing(Exception):
    """A task finds that inputs are not where they should be."""

    def __init__(self, shuffle: ShuffleId, attempts: tuple[tuple[int, int], ...]) -> None:
        super().__init__(shuffle)
        self.shuffle, self.attempts = shuffle, attempts


class Cluster:
    """What executors and nodes hold."""

    def __init__(self, rng: random.Random, draws: Container[ShuffleId | None] = ()) -> None:
        self._rng = rng
        #: The shuffles whose stages give something else with each run.
        self._draws = draws
        self.boxes: dict[ExecutorId, Box] = {}
        self.files: dict[tuple[NodeId, ShuffleId, int, int], Value] = {}
        self.disk: dict[tuple[NodeId, RddId, int], Value] = {}
        #: Draws of its own: what it decides leaves all other chances as they were.
        self._races = random.Random(rng.getstate()[1][1])
        self.runs = 0
        #: How often a block of an earlier run was found and not read.
        self.num_stale = 0
        #: How often a task got a block from elsewhere.
        self.num_brought = 0

    def compute(self, out: Out, box: Box) -> tuple[Value, list[BlockUpdate]]:
        """What the task computes of what it finds; raises `Missing`."""
        updates: list[BlockUpdate] = []
        partition = out.launch.partition
        spec = out.spec
        runs = dict(out.launch.runs)

        def places(key: tuple[RddId, int]) -> tuple[tuple[dict, tuple], ...]:
            return (box.blocks, key), (self.disk, (box.node, *key))

        def read(point: Point) -> Value:
            if isinstance(point, ShufflePoint):
                return self._fetch(out, box, point.shuffle_id)
            key = (point.rdd_id, partition)
            run = runs.get(point.rdd_id, 0)
            # One that nobody wants any more may have looked before others wrote.
            is_blind = out.is_cancelled and self._races.random() < 0.5
            for place, name in () if is_blind else places(key):
                if name in place and place[name].run >= run:
                    return place[name]
                self.num_stale += place.pop(name, None) is not None
            brought = self._bring(key, out.holders.get(key, Holders()))
            if brought is not None and brought.run >= run:
                self.disk[(box.node, *key)] = brought
                updates.append(BlockUpdate(key, False, True, box.node))
                return brought
            value = Value.of(("rdd", point.rdd_id), map(read, spec.behind[point.rdd_id]))
            value = value._replace(run=run)
            in_memory = self._rng.random() < 0.7
            if in_memory:
                box.blocks[key] = value
            else:
                self.disk[(box.node, *key)] = value
            updates.append(BlockUpdate(key, in_memory, not in_memory))
            if self._rng.random() < 0.3:  # a second copy, on any node
                node = self._rng.choice([b.node for b in self.boxes.values()])
                self.disk[(node, *key)] = value
                updates.append(BlockUpdate(key, False, True, node))
            return value

        value = stage_value(spec, partition, read)
        self.runs += 1
        if spec.shuffle_id in self._draws:
            drawn = (spec.shuffle_id, partition, self.runs)
            value = Value(value.digest, value.drawn | {drawn})
        return value, updates

    def _bring(self, key: tuple[RddId, int], holders: Holders) -> Value | None:
        """The block from another node or executor, if it is still there."""
        for node in holders.nodes:
            if (node, *key) in self.disk:
                self.num_brought += 1
                return self.disk[(node, *key)]
        for name in holders.executors:
            box = self.boxes.get(name)
            if box is not None and key in box.blocks and self._rng.random() < 0.8:
                self.num_brought += 1
                return box.blocks[key]
        return None

    def _fetch(self, out: Out, box: Box, shuffle: ShuffleId) -> Value:
        if shuffle not in out.launch.reads:
            raise Missing(shuffle, ())
        keys = [(node, shuffle, m, a) for m, a, node in box.inputs[shuffle]]
        gone = tuple((m, a) for node, s, m, a in keys if (node, s, m, a) not in self.files)
        if gone:
            raise Missing(shuffle, gone)
        return Value.of(("shuffle", shuffle), [self.files[key] for key in keys])

    def lose_node(self, node: NodeId) -> list[ExecutorId]:
        """Its files and blocks are gone; gives the executors that were on it."""
        self.files = {k: v for k, v in self.files.items() if k[0] != node}
        self.disk = {k: v for k, v in self.disk.items() if k[0] != node}
        return [name for name, box in self.boxes.items() if box.node == node]

    def drop_shuffle(self, shuffle: ShuffleId) -> None:
        """Removes the shuffle's files."""
        self.files = {k: v for k, v in self.files.items() if k[1] != shuffle}

    def drop_rdd(self, rdd: RddId) -> None:
        """Removes the blocks of an RDD."""
        for box in self.boxes.values():
            box.blocks = {k: v for k, v in box.blocks.items() if k[0] != rdd}
        self.disk = {k: v for k, v in self.disk.items() if k[1] != rdd}
