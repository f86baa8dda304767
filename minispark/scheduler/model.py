"""What the scheduler learns from the runtime: pure data.

Jobs and stages are described in `minispark.plan.spec`.
"""

from __future__ import annotations

from minispark.ids import ExecutorId, NodeId
from minispark.records import record


@record
class MapStatus:
    """Where one map output is, and how large its blocks are."""

    node_id: NodeId
    executor_id: ExecutorId
    #: Attempt number in the file's name: unique per shuffle and map.
    attempt: int
    #: Bytes per reduce partition, as one byte each (log scale base 1.1).
    sizes: bytes
    total_bytes: int
    #: Whether losing the executor (not the node) loses the output.
    in_executor: bool = False
    #: The same for every run of a task that always gives the same records: a
    #: checksum of how many records each block has. 0 where that is not known.
    fingerprint: int = 0


@record
class ExecutorInfo:
    """An executor that registered."""

    executor_id: ExecutorId
    node_id: NodeId
    #: Tasks it runs at the same time.
    cores: int = 1
    #: The resource profile it was started for; 0: the default.
    profile_id: int = 0
