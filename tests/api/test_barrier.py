"""Barrier stages: tasks that start together and meet."""

from __future__ import annotations

from typing import Any

import pytest

from minispark.errors import PySparkRuntimeError
from minispark.ids import ExecutorId, StageId, TaskId
from minispark.runtime.rendezvous import Rendezvous

MASTERS = pytest.mark.parametrize(
    "sc", ["local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)], indirect=True
)


def meeting(engine: Any) -> Any:
    context_class = engine.BarrierTaskContext

    def meet(records: Any) -> Any:
        context = context_class.get()
        context.barrier()
        first = context.allGather(f"{context.partitionId()}: {sum(records)}")
        second = context.allGather("again")
        yield first, second, len(context.getTaskInfos()), context.getTaskInfos()[0].address

    return meet


@MASTERS
def test_tasks_meet(sc: Any, engine: Any) -> None:
    rdd = sc.parallelize(range(4), 2).barrier().mapPartitions(meeting(engine))
    for first, second, count, address in rdd.collect():
        assert first == ["0: 1", "1: 5"]
        assert second == ["again"] * 2
        assert count == 2
        assert ":" in address


@MASTERS
def test_a_barrier_before_a_shuffle(sc: Any, engine: Any) -> None:
    context_class = engine.BarrierTaskContext

    def keyed(index: int, records: Any) -> Any:
        context_class.get().barrier()
        return [(index, record) for record in records]

    pairs = sc.parallelize(range(4), 2).barrier().mapPartitionsWithIndex(keyed)
    assert sorted(pairs.reduceByKey(lambda x, y: x + y, 3).collect()) == [(0, 1), (1, 5)]
    assert pairs.map(lambda pair: pair[1]).sum() == 6


@MASTERS
def test_one_failure_starts_all_again(sc: Any, engine: Any, tmp_path: Any) -> None:
    context_class = engine.BarrierTaskContext
    flag = str(tmp_path / "failed")

    def meet(records: Any) -> Any:
        import os

        context = context_class.get()
        if context.partitionId() == 1 and not os.path.exists(flag):
            with open(flag, "w"):
                pass
            raise ValueError("once")
        return [context.allGather(str(context.partitionId()))]

    rdd = sc.parallelize(range(2), 2).barrier().mapPartitions(meet)
    assert rdd.collect() == [["0", "1"]] * 2


@pytest.mark.minispark_only
@pytest.mark.parametrize("sc", ["local-process[2]"], indirect=True)
def test_who_does_not_come_is_noticed(sc: Any, task_fails: Any) -> None:
    from minispark import BarrierTaskContext

    def some(index: int, records: Any) -> Any:
        if index == 0:
            BarrierTaskContext.get().barrier()
        return records

    def different(index: int, records: Any) -> Any:
        context = BarrierTaskContext.get()
        return [context.barrier() if index else context.allGather()]

    barrier = sc.parallelize(range(2), 2).barrier()
    with task_fails(PySparkRuntimeError, "1 of the 2 tasks"):
        barrier.mapPartitionsWithIndex(some).collect()
    with task_fails(PySparkRuntimeError, "some allGather"):
        barrier.mapPartitionsWithIndex(different).collect()
    assert sc.parallelize(range(4), 2).sum() == 6


def test_not_in_a_barrier_stage(sc: Any, engine: Any) -> None:
    context_class = engine.BarrierTaskContext

    def look(_: int) -> str:
        try:
            context_class.get()
        except Exception as error:
            return type(error).__name__
        return "none"

    assert sc.parallelize([1], 1).map(look).collect() == ["PySparkRuntimeError"]
    assert look(1) == "PySparkRuntimeError"


# -- the meeting itself ------------------------------------------------------------


class Meeting:
    """Two tasks of stage 5 and what they are answered."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.there = Rendezvous(lambda _, task, value: self.answers.append((task, value)))

    def launch(self, task: int, partition: int, attempt: int = 0) -> None:
        stage = (StageId(5), attempt)
        self.there.launched(TaskId(task), stage, partition, 2, f"h{partition}:1")

    def ask(self, task: int, method: str, message: str = "") -> None:
        self.there.asked(ExecutorId("e"), TaskId(task), method, message)


def test_infos_wait_for_the_last_launch() -> None:
    meeting = Meeting()
    meeting.launch(1, 1)
    meeting.ask(1, "infos")
    assert meeting.answers == []
    meeting.launch(2, 0)
    meeting.ask(2, "infos")
    assert meeting.answers == [(1, (True, ["h0:1", "h1:1"])), (2, (True, ["h0:1", "h1:1"]))]


def test_a_new_attempt_forgets_the_old_one() -> None:
    meeting = Meeting()
    meeting.launch(1, 0)
    meeting.launch(2, 1)
    meeting.ask(1, "barrier")
    meeting.launch(3, 0, attempt=1)
    meeting.launch(4, 1, attempt=1)
    meeting.ask(2, "barrier")  # late, of the old one
    meeting.ask(4, "allGather", "b")
    assert meeting.answers == []
    meeting.ask(3, "allGather", "a")
    assert meeting.answers == [(4, (True, ["a", "b"])), (3, (True, ["a", "b"]))]


def test_nothing_is_left_of_an_ended_stage() -> None:
    meeting = Meeting()
    meeting.launch(1, 0)
    meeting.launch(2, 1)
    meeting.ask(1, "barrier")
    meeting.there.stage_ended(StageId(5))
    meeting.ask(2, "barrier")
    meeting.there.task_succeeded(TaskId(2))
    assert meeting.answers == []
    assert (meeting.there._groups, meeting.there._tasks) == ({}, {})
