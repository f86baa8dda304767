"""The file of one persisted block: its frames, sealed with the run that they are of.

Knows nothing of who holds blocks, nor when they are made or dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from minispark.plan.spec import BlockKey
from minispark.storage.sealed import seal_of, sealed
from minispark.storage.serializer import dump_records, iter_frames


def block_prefix(rdd_id: int) -> str:
    """What the names of an RDD's files begin with, relative to the node's directory."""
    return f"rdd/r{rdd_id}_"


def block_name(block: BlockKey) -> str:
    """The block's file relative to the node's directory."""
    return f"{block_prefix(block[0])}{block[1]}.block"


def block_file(records: Iterable[Any], run: int = 0) -> Iterator[bytes | memoryview]:
    """The chunks of a block's file."""
    return sealed(dump_records(records), run)


def open_block(data: memoryview, run: int = 0) -> Iterator[list[Any]] | None:
    """The frames of a block's file; None when it is of an earlier run, short or changed.

    Of a large one only the end is looked at now: it raises `ChangedError` instead of
    giving a frame that is not what was written.
    """
    seal = seal_of(data)
    if seal is None or seal.stamp < run:
        return None
    body = seal.contents()
    return None if body is None else iter_frames(body)


def is_whole(data: memoryview) -> bool:
    """Whether all of a block's file is what was written."""
    seal = seal_of(data)
    return seal is not None and seal.is_whole()


def run_of(data: memoryview) -> int:
    """The run that a block's file says it is of; -1 when it is none."""
    seal = seal_of(data)
    return -1 if seal is None else seal.stamp
