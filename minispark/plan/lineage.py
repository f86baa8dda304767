"""The lineage as text: `describe` and `to_debug_string`; the walk over ancestors.

Every walk is iterative, so that lineages of thousands of RDDs print. Nothing
here changes a node; in particular no function is captured.
"""

from __future__ import annotations

from collections.abc import Iterator

from minispark.plan.nodes import (
    AlignedUnion,
    Cartesian,
    Coalesce,
    CoGroup,
    Exchange,
    MapPartitions,
    Node,
    Shuffle,
    Source,
    Union,
    Zip,
)

#: What Spark calls such RDDs in `toDebugString`.
_SPARK_NAMES: dict[type[Node], str] = {
    MapPartitions: "PythonRDD",
    Union: "UnionRDD",
    AlignedUnion: "PartitionerAwareUnionRDD",
    Coalesce: "CoalescedRDD",
    Cartesian: "CartesianRDD",
    Zip: "ZippedPartitionsRDD2",
    Shuffle: "ShuffledRDD",
    CoGroup: "CoGroupedRDD",
}
_SPARK_SOURCES = {
    "parallelize": "ParallelCollectionRDD",
    "range": "ParallelCollectionRDD",
    "emptyRDD": "EmptyRDD",
    "textFile": "HadoopRDD",
    "pickleFile": "HadoopRDD",
    "wholeTextFiles": "WholeTextFileRDD",
    "binaryFiles": "BinaryFileRDD",
}


def ancestors(node: Node) -> Iterator[Node]:
    """The node and everything it is made from, each once, nearest first."""
    seen = {node.id}
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        for parent in reversed(dependencies(current)):
            if parent.id not in seen:
                seen.add(parent.id)
                stack.append(parent)


def dependencies(node: Node) -> tuple[Node, ...]:
    """The parents that are still needed: none behind a finished checkpoint."""
    return () if node.is_checkpointed else node.parents


def _is_range(node: Node) -> bool:
    """Whether the records are numbers made by the tasks: two RDDs in PySpark."""
    return isinstance(node, Source) and any(isinstance(split, range) for split in node.splits[:1])


def _kind(node: Node) -> str:
    if _is_range(node):
        return "PythonRDD"
    if isinstance(node, Source):
        return _SPARK_SOURCES.get(node.info.scope, "SourceRDD")
    return _SPARK_NAMES.get(type(node), type(node).__name__)


def describe(node: Node) -> str:
    """What an RDD is and where it was made, on one line."""
    name = f"{node.info.name} " if node.info.name else ""
    return f"{name}{_kind(node)}[{node.id}] at {node.info.call_site}"


def _level(node: Node) -> str:
    level = node.info.storage_level
    return str(level) if level.is_persistent else ""


def _checkpoint(node: Node) -> str:
    """The line that stands for everything behind a finished checkpoint."""
    data = node.info.checkpoint
    kind = "Local" if data is None or data.directory is None else "Reliable"
    return f"{kind}CheckpointRDD[{node.id}] at {node.info.call_site} []"


def _edges(node: Node) -> list[tuple[Node, bool]]:
    """The parents still needed, and whether a shuffle lies between."""
    if node.is_checkpointed:
        return []
    if isinstance(node, CoGroup):
        return [(s.parent, True) if isinstance(s, Exchange) else (s, False) for s in node.sources]
    return [(parent, isinstance(node, Shuffle)) for parent in node.parents]


def to_debug_string(node: Node) -> str:
    """The lineage as Spark prints it: one RDD a line, `+-(n)` at each shuffle.

    An RDD that is used twice is printed twice, with all that it is made from,
    as in Spark.
    """
    lines: list[str] = []
    # (node, prefix of its line, whether a shuffle lies before it, last child)
    stack: list[tuple[Node, str, bool, bool]] = []

    def push_children(parent: Node, prefix: str) -> None:
        if parent.is_checkpointed:
            lines.append(f"{prefix}{_checkpoint(parent)}")
        elif _is_range(parent):
            site = parent.info.call_site
            lines.append(f"{prefix}ParallelCollectionRDD[{parent.id}] at {site} []")
        edges = _edges(parent)
        for i in range(len(edges) - 1, -1, -1):
            child, is_shuffle = edges[i]
            stack.append((child, prefix, is_shuffle, i == len(edges) - 1))

    count = f"({node.num_partitions})"
    lines.append(f"{count} {describe(node)} [{_level(node)}]")
    push_children(node, _bar("", count))
    while stack:
        current, prefix, is_shuffle, is_last = stack.pop()
        text = f"{describe(current)} [{_level(current)}]"
        if not is_shuffle:
            lines.append(f"{prefix}{text}")
            push_children(current, prefix)
            continue
        count = f"({current.num_partitions})"
        stem = prefix.rstrip(" ").removesuffix("|")
        lines.append(f"{stem}+-{count} {text}")
        push_children(current, _bar(stem + ("  " if is_last else "| "), count))
    return "\n".join(lines)


def _bar(start: str, count: str) -> str:
    """A `|` below the middle of `count`, padded to where the text begins."""
    left = (len(count) - 1) // 2
    return f"{start}{' ' * left}|{' ' * (len(count) - left)}"
