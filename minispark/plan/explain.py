"""`rdd.explain()`: the stages of an action as text, without capturing a function.

What `plan.stages` would build from the lineage as it is now: stages, what each
reads, which steps are fused, and what is skipped and why. Every walk is
iterative; nothing here changes a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minispark.ids import ShuffleId
from minispark.plan.expressions import expression_of
from minispark.plan.lineage import describe
from minispark.plan.nodes import CoGroup, Exchange, MapPartitions, Node, Shuffle, Source
from minispark.plan.spec import Point, RddPoint, ShufflePoint
from minispark.plan.steps import Merge, Partitions, Step

#: Whether the blocks or map outputs of a point are all there.
Exists = Callable[[Point], bool]


def _nothing_exists(_point: Point) -> bool:
    return False


def _nothing_skewed(_shuffle_id: ShuffleId) -> str:
    return ""


def explain(
    node: Node,
    exists: Exists = _nothing_exists,
    skew: Callable[[ShuffleId], str] = _nothing_skewed,
) -> str:
    """The stages an action on `node` would run, the last one first.

    Parameters
    ----------
    skew
        What there is to say of how a shuffle that exists is spread.
    """
    lines = [f"Result stage, {_tasks(node)}: {node.info.call_site}"]
    exchanges = list(_explain_stage(node, exists, lines))
    seen: set[int] = set()
    # Breadth first: a stage is printed before the stages that feed it.
    for exchange in exchanges:
        if exchange.shuffle_id in seen:
            continue
        seen.add(exchange.shuffle_id)
        parent = exchange.parent
        title = f"Map stage for shuffle {exchange.shuffle_id}, {_tasks(parent)}"
        if exists(ShufflePoint(exchange.shuffle_id)):
            lines.append(f"{title}: skipped, its output exists")
            uneven = skew(exchange.shuffle_id)
            if uneven:
                lines.append(f"  skewed: {uneven}")
            continue
        lines.append(f"{title}: {parent.info.call_site}")
        exchanges.extend(_explain_stage(parent, exists, lines))
        n = exchange.partitioner.numPartitions
        combined = ", combined before writing" if exchange.map_side_combine else ""
        lines.append(f"  write shuffle {exchange.shuffle_id}: {_counted(n, 'partition')}{combined}")
    return "\n".join(lines)


def _tasks(node: Node) -> str:
    return _counted(node.num_partitions, "task")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _explain_stage(root: Node, exists: Exists, lines: list[str]) -> Iterator[Exchange]:
    """Appends the lines of one stage; yields the exchanges it reads."""
    run: list[MapPartitions] = []
    for node in _stage_nodes(root, exists):
        if isinstance(node, MapPartitions) and not _is_read(node, exists):
            if run and (run[-1] is not node.parent or run[-1].is_persisted):
                _flush(run, lines)
            run.append(node)
        else:
            _flush(run, lines)
            yield from _explain_input(node, exists, lines)
        if node.info.is_indeterminate and not _is_read(node, exists):
            _flush(run, lines)
            lines.append(
                f"  RDD[{node.id}] may differ when it is computed again: after a loss, all "
                "that was made of it is computed again, or the job fails"
            )
        if node.is_persisted and not _is_read(node, exists):
            _flush(run, lines)
            lines.append(
                f"  keep RDD[{node.id}] ({node.info.storage_level}): a partition that is kept "
                "already is read, and what leads to it skipped"
            )
    _flush(run, lines)


def _explain_input(node: Node, exists: Exists, lines: list[str]) -> Iterator[Exchange]:
    """A line for what is no run of steps: sources, shuffles, unions and the like."""
    made = f"{node.info.scope or type(node).__name__}"
    if node.is_checkpointed:
        lines.append(f"  read checkpoint of RDD[{node.id}]: what leads to it is cut off")
    elif _is_read(node, exists):
        lines.append(
            f"  read kept RDD[{node.id}]: all partitions exist, what leads to it is skipped"
        )
    elif isinstance(node, Source):
        lines.append(f"  read {made}: {_counted(node.num_partitions, 'split')}")
    elif isinstance(node, Shuffle):
        yield node.exchange
        doing = "combined" if node.exchange.aggregator else "placed by key"
        doing = "sorted by key" if node.ordering else doing
        lines.append(f"  read shuffle {node.exchange.shuffle_id} ({made}): {doing}")
    elif isinstance(node, CoGroup):
        for source in node.sources:
            if isinstance(source, Exchange):
                yield source
                lines.append(f"  read shuffle {source.shuffle_id} ({made})")
            else:
                lines.append(f"  {made}: no shuffle of {describe(source)}, its partitioner fits")
    else:
        parents = ", ".join(f"RDD[{p.id}]" for p in node.parents)
        lines.append(f"  {made} of {parents}: {_counted(node.num_partitions, 'partition')}")


def _is_read(node: Node, exists: Exists) -> bool:
    """Whether the node is read back from where it is kept."""
    return node.is_checkpointed or (
        node.is_persisted and exists(RddPoint(node.id, node.num_partitions))
    )


def _inputs(node: Node, exists: Exists) -> list[Node]:
    if _is_read(node, exists) or isinstance(node, Shuffle):
        return []
    if isinstance(node, CoGroup):
        return [s for s in node.sources if isinstance(s, Node)]
    return list(node.parents)


def _stage_nodes(root: Node, exists: Exists) -> list[Node]:
    """The nodes of the stage that ends at `root`, inputs before users."""
    order: list[Node] = []
    done: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node.id not in done:
            done.add(node.id)
            stack.append((node, True))
            stack.extend((parent, False) for parent in reversed(_inputs(node, exists)))
    return order


def _flush(run: list[MapPartitions], lines: list[str]) -> None:
    """Lines for a run of steps: element-wise ones together, the others alone."""
    fused: list[str] = []
    functions: list[object] = []

    def flush_fused() -> None:
        if fused:
            lines.append(f"  fused in one loop: {', '.join(fused)}{_put_in(functions)}")
            fused.clear()
            functions.clear()

    for node in run:
        name = node.info.scope or type(node.step).__name__
        if not isinstance(node.step, (Merge, Partitions)):
            # One method may have made several steps.
            if not fused or fused[-1] != name:
                fused.append(name)
            functions.append(getattr(node.step, "f", None))
            continue
        flush_fused()
        why = _saved_shuffle(node.step)
        lines.append(f"  {name}: {why}" if why else f"  partition function: {name}")
    flush_fused()
    run.clear()


def _put_in(functions: list[object]) -> str:
    """How many functions stand in the loop as the expressions they are."""
    known = sum(expression_of(f) is not None for f in functions)
    called = sum(f is not None for f in functions)
    return f" ({known} of {_counted(called, 'function')} put in)" if known else ""


def _saved_shuffle(step: Step) -> str:
    """Why a by-key operation needs no shuffle, or nothing."""
    if not isinstance(step, Merge):
        return ""
    return f"no shuffle, the keys are in place; {'sorted' if step.ordering else 'combined'}"
