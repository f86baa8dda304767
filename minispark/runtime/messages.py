"""The words between driver and executors. Plain tuples of plain data.

Each executor has two connections: on *ctl* the driver sends code and tasks and
the executor's main thread answers; on *svc* a helper thread of the executor
obeys at once, also while the main thread is busy. Messages are pickled tuples
whose first member is the kind. They stay small where they can (bulk data
travels as files); what a busy executor has no room for, its `ProcessLink` keeps,
so that a send on *ctl* never waits.

==================================  =========================================
ctl, driver → executor
``("stage", key, StageCode)``       code of a stage, once per executor
``("forget", key)``                 the code is not needed any more
``("inputs", shuffle, ver, locs)``  map output locations, once per version
``("files", [SharedFile])``         what the user added, before the next task
``("tasks", [TaskSpec])``           run these, in this order
``("stop",)``                       finish and exit
ctl, executor → driver
``("out", task_id, stream, text)``  what a task printed, before its report
``("done", TaskReport)``            the end of a task
``("ask", task_id, method, text)``  a barrier task waits for ``("answer", …)``
``("want", task_id, block)``        a task waits for ``("block_at", …)``
``("exported", block, is_there)``   the end of an ``("export", …)``
svc, driver → executor
``("cancel", task_id)``             interrupt the task, or forget it if queued
``("ping", n)``                     answer ``("pong", n)``
``("answer", task_id, (ok, value))``  what a barrier task asked for
``("export", block)``               write a block of the heap to a file of the node
``("block_at", task_id, block, node)``  which node has the file; None: nobody
``("drop_rdd", rdd_id)``, ``("drop_broadcast", id)``, ``("nodes", [NodeInfo])``
==================================  =========================================
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from minispark.ids import AccumulatorId, NodeId, RddId, ShuffleId, TaskId
from minispark.plan.pipeline import MapOutputPlan, Pipeline
from minispark.plan.spec import BlockKey, BlockUpdate
from minispark.records import record
from minispark.scheduler.model import MapStatus

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: Identifies the code of a stage on the wire: ("map", shuffle, version) or ("job", id).
StageKey = tuple[str, int, int]

#: Larger results and slices travel as files, so that no send blocks for long.
INLINE_BYTES = 128 * 1024


class StageCode(NamedTuple):
    """What the tasks of one stage have in common."""

    pipeline: Pipeline
    #: What a map stage writes; None for a result stage.
    output: MapOutputPlan | None
    #: The pickled `func(partition, records)` of a result stage.
    result: bytes | None
    #: Local properties of the submitting thread.
    properties: Mapping[str, str]
    is_barrier: bool = False
    #: The pickled profiler that the tasks run in.
    profiler: bytes | None = None


class BlockSource(NamedTuple):
    """Where a cached block is that the task's own executor and node lack."""

    block: BlockKey
    #: Nodes with a file of it.
    nodes: tuple[NodeId, ...]
    #: Some executor has it in its heap.
    in_memory: bool


class TaskSpec(NamedTuple):
    """One attempt of one task, as it is shipped."""

    task_id: TaskId
    stage: StageKey
    stage_id: int
    partition: int
    #: From 0; names the file of a map output.
    attempt: int
    #: (source operator, its partition) -> split.
    splits: dict[tuple[int, int], Any]
    #: Versions of the map output locations the task was given.
    reads: tuple[tuple[ShuffleId, int], ...]
    #: Cached blocks that would spare computation and are elsewhere.
    elsewhere: tuple[BlockSource, ...] = ()
    #: See `LaunchTask.runs`.
    runs: tuple[tuple[RddId, int], ...] = ()


class DriverBlock(NamedTuple):
    """A piece of a file in the driver's node directory: a large slice."""

    relpath: str
    offset: int
    length: int
    crc: int
    #: The checksum up to each step of `storage.checked`.
    steps: tuple[int, ...] = ()


class ResultFile(NamedTuple):
    """A result too large for a message, left in a file of the node."""

    node_id: NodeId
    relpath: str
    length: int
    crc: int
    #: The checksum up to each step of `storage.checked`.
    steps: tuple[int, ...] = ()


class FetchFailure(NamedTuple):
    """Map outputs that a task could not read."""

    shuffle_id: ShuffleId
    map_attempts: tuple[tuple[int, int], ...]
    node_id: NodeId | None
    message: str


@record
class TaskFailureInfo:
    """What is known of a user's exception, in a form that always travels."""

    type_name: str
    message: str
    #: Traceback text: the user's frames, innermost last.
    traceback: str
    #: Short `repr` of the record that was being processed, if known.
    record: str | None
    #: The pickled exception; None when it does not pickle.
    exception: bytes | None
    is_retryable: bool = True
    counts: bool = True


class TaskReport(NamedTuple):
    """The end of one task attempt."""

    task_id: TaskId
    #: `"ok"`, `"failed"`, `"fetch"` or `"killed"`.
    kind: str
    status: MapStatus | None = None
    result: bytes | ResultFile | None = None
    failure: TaskFailureInfo | FetchFailure | None = None
    #: (accumulator, pickled value the task added).
    accumulators: tuple[tuple[AccumulatorId, bytes], ...] = ()
    updates: tuple[BlockUpdate, ...] = ()
    run_s: float = 0.0


def send(connection: Connection, message: tuple[Any, ...]) -> None:
    """Sends one message; the caller serialises concurrent senders."""
    connection.send_bytes(pickle.dumps(message, 5))


def receive(connection: Connection) -> tuple[Any, ...]:
    """Receives one message; `EOFError` or `OSError` when the peer is gone."""
    message: tuple[Any, ...] = pickle.loads(connection.recv_bytes())
    return message
