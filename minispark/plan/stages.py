"""Planning: the lineage graph cut at its shuffles into stages.

`build_stages(node)` walks up from the node an action was called on. What lies
between two shuffles becomes one pipeline of flat operators with its narrow
steps fused; each exchange it reads becomes a map stage of its own. Persisted
RDDs become `CacheOp`s and, for the scheduler, points at which a stage's needs
may end. Finished checkpoints cut the walk.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from minispark.closures import dumps_closure
from minispark.errors import PySparkValueError
from minispark.ids import RddId, ShuffleId
from minispark.plan import pipeline as p
from minispark.plan.capture import capture
from minispark.plan.nodes import (
    AlignedUnion,
    Cartesian,
    Coalesce,
    CoGroup,
    Exchange,
    MapPartitions,
    Node,
    NodeInfo,
    Shuffle,
    Source,
    Union,
    Zip,
)
from minispark.plan.spec import BlockKey, Point, RddPoint, ShufflePoint, StageSpec
from minispark.plan.stage_cache import StageCache
from minispark.records import record


@record
class StagePlan:
    """One stage: what the scheduler is told and what the tasks run."""

    spec: StageSpec
    pipeline: p.Pipeline
    #: Source operator -> its splits, one per partition of that operator.
    splits: dict[int, Sequence[Any]]
    #: None for the result stage.
    output: p.MapOutputPlan | None
    #: The nodes of the stage, for `explain()` and to keep exchanges alive.
    node: Node
    exchanges: tuple[Exchange, ...] = ()


@record
class StageGraph:
    """All stages of a job; `stages` holds the map stages, parents first."""

    final: StagePlan
    stages: tuple[StagePlan, ...]

    def exchanges(self) -> Iterator[Exchange]:
        """Every exchange that the stages read."""
        for plan in (self.final, *self.stages):
            yield from plan.exchanges


def _narrow_inputs(node: Node) -> tuple[Exchange | Node, ...]:
    """What a node reads within its stage, and the exchanges it reads across."""
    if node.is_checkpointed:
        return ()
    if isinstance(node, Shuffle):
        return (node.exchange,)
    if isinstance(node, CoGroup):
        return node.sources
    if isinstance(node, MapPartitions):
        capture(node)
        assert node.info.captured is not None
        return (node.info.captured.base,)
    if isinstance(node, Union):
        return tuple(_members(node))
    return node.parents


def _members(union: Union) -> list[Node]:
    """What a union concatenates, unions of unions taken apart: flat however deep they nest."""
    if not any(_is_transparent(parent) for parent in union.parents):
        return list(union.parents)
    found: list[Node] = []
    stack: list[Node] = list(reversed(union.parents))
    while stack:
        node = stack.pop()
        if _is_transparent(node):
            stack.extend(reversed(node.parents))
        else:
            found.append(node)
    return found


def _is_transparent(node: Node) -> bool:
    return isinstance(node, Union) and not node.is_persisted and not node.is_checkpointed


def _topological(root: Node) -> list[Node]:
    """The nodes of the stage that ends at `root`, inputs before users."""
    order: list[Node] = []
    done: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
            continue
        if node.id in done:
            continue
        done.add(node.id)
        stack.append((node, True))
        stack.extend((source, False) for source in _narrow_inputs(node) if isinstance(source, Node))
    return order


class _Builder:
    """Operators of one stage. `at[node.id]` is the index of a node's records."""

    def __init__(self) -> None:
        self.ops: list[p.Op] = []
        self.splits: dict[int, Sequence[Any]] = {}
        self.exchanges: dict[ShuffleId, Exchange] = {}
        self.at: dict[RddId, int] = {}

    def _add(self, op: p.Op) -> int:
        self.ops.append(op)
        return len(self.ops) - 1

    def add(self, node: Node) -> None:
        """Adds the operators of one node; its inputs must be there."""
        checkpoint = node.info.checkpoint
        if checkpoint is not None and checkpoint.done:
            if checkpoint.directory is None:
                index = self._add(p.CacheOp(-1, node.id, node.info.storage_level))
            else:
                index = self._add(p.ReadCheckpoint(checkpoint.directory))
            self.at[node.id] = index
            return
        index = self._operator(node)
        if node.is_persisted:
            index = self._add(p.CacheOp(index, node.id, node.info.storage_level))
        self.at[node.id] = index

    def _exchange(self, exchange: Exchange) -> ShuffleId:
        self.exchanges[exchange.shuffle_id] = exchange
        return exchange.shuffle_id

    def _operator(self, node: Node) -> int:
        at = self.at
        if isinstance(node, MapPartitions):
            captured = node.info.captured
            assert captured is not None
            return self._add(p.Chain(at[captured.base.id], captured.blob))
        if isinstance(node, Source):
            index = self._add(
                p.ReadSplit(dumps_closure(node.reader, node.info.call_site), node.batch)
            )
            self.splits[index] = node.splits
            return index
        if isinstance(node, Shuffle):
            exchange = node.exchange
            return self._add(
                p.ReadShuffle(
                    self._exchange(exchange),
                    exchange.parent.num_partitions,
                    exchange.captured,
                    exchange.map_side_combine,
                    node.ordering_captured,
                )
            )
        if isinstance(node, CoGroup):
            return self._add(
                p.CoGroupOp(
                    tuple(
                        p.ShuffleSource(self._exchange(s), s.parent.num_partitions)
                        if isinstance(s, Exchange)
                        else at[s.id]
                        for s in node.sources
                    ),
                    node.join,
                )
            )
        if isinstance(node, Union):
            members = _members(node)
            offsets = (0, *accumulate(member.num_partitions for member in members))
            return self._add(
                p.ConcatOp(tuple(at[m.id] for m in members), offsets, _batched_anew(members))
            )
        children = tuple(at[parent.id] for parent in node.parents)
        if isinstance(node, AlignedUnion):
            return self._add(p.AlignedOp(children, _batched_anew(node.parents)))
        if isinstance(node, Coalesce):
            return self._add(p.CoalesceOp(children[0], node.groups))
        if isinstance(node, Zip):
            left, right = children
            return self._add(p.ZipOp(left, right, node.batch))
        if isinstance(node, Cartesian):
            left, right = children
            return self._add(p.CartesianOp(left, right, node.parents[1].num_partitions))
        raise AssertionError(f"unknown node {node!r}")


def _batched_anew(members: Sequence[Node]) -> bool:
    """Whether the members' batches differ; see `plan.batches`."""
    return len({member.batch for member in members}) > 1


def _parent_partitions(node: Node, partition: int) -> Iterator[tuple[Node, int]]:
    """The narrow input partitions of one partition of a node."""
    if isinstance(node, Shuffle) or node.is_checkpointed:
        return
    if isinstance(node, MapPartitions):
        assert node.info.captured is not None
        yield node.info.captured.base, partition
    elif isinstance(node, Union):
        i = bisect_right(node.offsets, partition) - 1
        yield node.parents[i], partition - node.offsets[i]
    elif isinstance(node, Coalesce):
        for parent_partition in node.groups[partition]:
            yield node.parents[0], parent_partition
    elif isinstance(node, Cartesian):
        left, right = node.parents
        i, j = divmod(partition, right.num_partitions)
        yield left, i
        yield right, j
    elif isinstance(node, CoGroup):
        for source in node.sources:
            if isinstance(source, Node):
                yield source, partition
    else:
        for parent in node.parents:
            yield parent, partition


def _cached_blocks(root: Node, partition: int) -> tuple[BlockKey, ...]:
    """The first persisted blocks met on the way up from one partition."""
    found: list[BlockKey] = []
    # An RDD zipped with itself again and again has few nodes and many paths.
    seen: set[BlockKey] = set()
    stack = [(root, partition)]
    while stack:
        node, index = stack.pop()
        if (node.id, index) in seen:
            continue
        seen.add((node.id, index))
        if node.is_persisted:
            found.append((node.id, index))
        else:
            stack.extend(_parent_partitions(node, index))
    return tuple(found)


def _reads(nodes: list[Node], start: Node, through_start: bool) -> tuple[Point, ...]:
    """The points first met walking up from `start`."""
    points: dict[Point, None] = {}
    seen: set[int] = set()
    stack: list[Exchange | Node] = [start]
    while stack:
        item = stack.pop()
        if isinstance(item, Exchange):
            points[ShufflePoint(item.shuffle_id)] = None
            continue
        if item.id in seen:
            continue
        seen.add(item.id)
        if item.is_persisted and not (through_start and item is start):
            points[RddPoint(item.id, item.num_partitions)] = None
        else:
            stack.extend(_narrow_inputs(item))
    return tuple(points)


def _infos(node: Node) -> Iterator[NodeInfo]:
    """What the user said of a node, and of the steps that run with it."""
    yield node.info
    if isinstance(node, MapPartitions) and not node.is_checkpointed:
        assert node.info.captured is not None
        base, current = node.info.captured.base, node
        while current.parent is not base:
            assert isinstance(current.parent, MapPartitions)
            current = current.parent
            yield current.info


def _is_indeterminate(node: Node) -> bool:
    """Whether the user said so of the node, or of a step that runs with it."""
    return not node.is_checkpointed and any(info.is_indeterminate for info in _infos(node))


def _profile(nodes: Sequence[Node]) -> NodeInfo:
    """The information of a node that has the stage's resource profile, if one has."""
    found: dict[int, NodeInfo] = {
        info.profile_id: info for node in nodes for info in _infos(node) if info.profile_id
    }
    if len(found) > 1:
        raise PySparkValueError(
            f"RDDs of one stage have the resource profiles {sorted(found)}: a stage can have"
            " one; give another profile behind a shuffle",
            "RESOURCE_PROFILES_DIFFER",
        )
    return next(iter(found.values()), NodeInfo())


def _build(root: Node, exchange: Exchange | None) -> StagePlan:
    nodes = _topological(root)
    builder = _Builder()
    for node in nodes:
        builder.add(node)
    persisted = [n for n in nodes if n.is_persisted]
    profile = _profile(nodes)
    spec = StageSpec(
        shuffle_id=exchange.shuffle_id if exchange else None,
        num_partitions=root.num_partitions,
        reads=_reads(nodes, root, through_start=False),
        behind={n.id: _reads(nodes, n, through_start=True) for n in persisted},
        blocks=(
            tuple(_cached_blocks(root, i) for i in range(root.num_partitions)) if persisted else ()
        ),
        name=root.info.call_site,
        is_indeterminate=any(map(_is_indeterminate, nodes)),
        is_barrier=any(n.info.is_barrier for n in nodes),
        profile_id=profile.profile_id,
        profile=str(profile.resource_profile) if profile.profile_id else "",
    )
    output = (
        p.MapOutputPlan(
            exchange.shuffle_id,
            exchange.partitioner.numPartitions,
            exchange.captured,
            exchange.map_side_combine,
        )
        if exchange
        else None
    )
    return StagePlan(
        spec,
        p.Pipeline(tuple(builder.ops)),
        builder.splits,
        output,
        root,
        tuple(builder.exchanges.values()),
    )


def build_stages(node: Node, cache: StageCache | None = None, version: int = 0) -> StageGraph:
    """The stages that compute `node`, with every ancestor stage."""
    cache = StageCache() if cache is None else cache
    final = _build(node, None)
    built: dict[ShuffleId, StagePlan] = {}
    order: list[StagePlan] = []
    stack: list[tuple[Exchange, bool]] = [(e, False) for e in reversed(final.exchanges)]
    while stack:
        exchange, expanded = stack.pop()
        if expanded:
            order.append(built[exchange.shuffle_id])
            continue
        if exchange.shuffle_id in built:
            continue
        plan = cache.get(exchange, version)
        if plan is None:
            plan = _build(exchange.parent, exchange)
            cache.put(exchange, version, plan)
        built[exchange.shuffle_id] = plan
        stack.append((exchange, True))
        stack.extend((e, False) for e in reversed(plan.exchanges))
    return StageGraph(final, tuple(order))


def source_partitions(plan: StagePlan, partition: int) -> list[tuple[int, int]]:
    """The (source operator, its partition) pairs that one task may read."""
    if not plan.splits:
        return []
    ops = plan.pipeline.ops
    found: dict[tuple[int, int], None] = {}
    # An RDD zipped with itself again and again has few operators and many paths.
    seen: set[tuple[int, int]] = set()
    stack = [(plan.pipeline.root, partition)]
    while stack:
        index, part = stack.pop()
        if (index, part) in seen:
            continue
        seen.add((index, part))
        op = ops[index]
        if isinstance(op, p.ReadSplit):
            found[index, part] = None
        elif isinstance(op, p.Chain):
            stack.append((op.child, part))
        elif isinstance(op, p.CacheOp):
            if op.child >= 0:
                stack.append((op.child, part))
        elif isinstance(op, p.ConcatOp):
            child = bisect_right(op.offsets, part) - 1
            stack.append((op.children[child], part - op.offsets[child]))
        elif isinstance(op, p.AlignedOp):
            stack.extend((child, part) for child in op.children)
        elif isinstance(op, p.CoalesceOp):
            stack.extend((op.child, q) for q in op.groups[part])
        elif isinstance(op, p.ZipOp):
            stack += [(op.left, part), (op.right, part)]
        elif isinstance(op, p.CartesianOp):
            i, j = divmod(part, op.right_partitions)
            stack += [(op.left, i), (op.right, j)]
        elif isinstance(op, p.CoGroupOp):
            stack.extend((s, part) for s in op.sources if isinstance(s, int))
    return list(found)
