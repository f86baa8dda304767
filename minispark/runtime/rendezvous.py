"""Where the tasks of a barrier stage meet: the driver's part of `barrier()`.

Owns, per attempt of a barrier stage, who runs and who waits. Told of launches,
questions and ends under the driver's lock; answers through `answer`. Must not
know: why tasks run, nor what they exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minispark.ids import ExecutorId, StageId, TaskId
from minispark.records import field, record

#: `answer(executor, task, (ok, value or text))`.
Answer = Callable[[ExecutorId, TaskId, tuple[bool, Any]], None]


@record(frozen=False)
class _Group:
    """One attempt of a barrier stage."""

    size: int
    attempt: int
    #: Partition -> address of its executor, as far as launched.
    addresses: dict[int, str] = field(default_factory=dict)
    #: Tasks that ask for the addresses.
    asking: list[tuple[ExecutorId, TaskId]] = field(default_factory=list)
    #: Partition -> who waits there, in which method, with what message.
    waiting: dict[int, tuple[ExecutorId, TaskId, str, str]] = field(default_factory=dict)
    #: Partitions whose tasks succeeded.
    ended: set[int] = field(default_factory=set)


class Rendezvous:
    """All barrier stages that run."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._groups: dict[StageId, _Group] = {}
        self._tasks: dict[TaskId, tuple[StageId, int, int]] = {}

    def launched(
        self,
        task_id: TaskId,
        stage: tuple[StageId, int],
        partition: int,
        size: int,
        address: str,
    ) -> None:
        """A task of attempt `stage[1]` of a barrier stage is on its way."""
        stage_id, attempt = stage
        group = self._groups.get(stage_id)
        if group is None or group.attempt != attempt:
            # Those of the attempt before are being cancelled.
            self.stage_ended(stage_id)
            group = self._groups[stage_id] = _Group(size, attempt)
        group.addresses[partition] = address
        self._tasks[task_id] = (stage_id, attempt, partition)
        if len(group.addresses) == group.size:
            asking, group.asking = group.asking, []
            for executor_id, asker in asking:
                self._answer(executor_id, asker, (True, _in_order(group.addresses)))

    def asked(self, executor_id: ExecutorId, task_id: TaskId, method: str, message: str) -> None:
        """A task waits for an answer: `infos`, or the meeting `barrier` or `allGather`."""
        where = self._tasks.get(task_id)
        group = None if where is None else self._groups.get(where[0])
        if where is None or group is None:
            return  # of an attempt that is over: the task is being cancelled
        if method == "infos":
            if len(group.addresses) == group.size:
                self._answer(executor_id, task_id, (True, _in_order(group.addresses)))
            else:
                group.asking.append((executor_id, task_id))
            return
        group.waiting[where[2]] = (executor_id, task_id, method, message)
        self._meet(group)

    def task_succeeded(self, task_id: TaskId) -> None:
        """A task will not come any more."""
        where = self._tasks.pop(task_id, None)
        group = None if where is None else self._groups.get(where[0])
        if where is not None and group is not None:
            group.ended.add(where[2])
            self._meet(group)

    def stage_ended(self, stage_id: StageId) -> None:
        """No task of the stage runs any more, or none that counts."""
        if self._groups.pop(stage_id, None) is not None:
            self._tasks = {t: where for t, where in self._tasks.items() if where[0] != stage_id}

    def _meet(self, group: _Group) -> None:
        if len(group.waiting) + len(group.ended) < group.size:
            return
        waiting, group.waiting = group.waiting, {}
        methods = {method for _, _, method, _ in waiting.values()}
        answer: tuple[bool, Any]
        if group.ended:
            answer = (
                False,
                f"{len(group.ended)} of the {group.size} tasks of the barrier stage ended while "
                "the others waited for them: each must call barrier() and allGather() as often",
            )
        elif len(methods) > 1:
            answer = (
                False,
                "some tasks of the barrier stage called barrier() and some allGather(): all must "
                "call the same method in the same order",
            )
        else:
            answer = (True, _in_order({p: message for p, (*_, message) in waiting.items()}))
        for executor_id, task_id, _, _ in waiting.values():
            self._answer(executor_id, task_id, answer)


def _in_order(by_partition: dict[int, str]) -> list[str]:
    return [by_partition[partition] for partition in sorted(by_partition)]
