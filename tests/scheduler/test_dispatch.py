"""Who gets which core: order, locality, prefetching, barrier stages, speculation."""

from __future__ import annotations

from collections import Counter

import pytest

from minispark.ids import ExecutorId, JobId, NodeId, RddId, ShuffleId
from minispark.plan.spec import RddPoint
from minispark.records import replace
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.scheduler.dag import SchedulerConfig
from minispark.scheduler.model import MapStatus
from minispark.testing import FakeBackend, map_stage, result_job

RDD = RddId(7)


def cached_on(backend: FakeBackend, *places: str, on_disk: bool = False):
    """A job over an RDD whose partition i is cached by executor `places[i]`."""
    for partition, name in enumerate(places):
        update = ev.BlockUpdate((RDD, partition), not on_disk, on_disk)
        backend.send(ev.BlocksUpdated(ExecutorId(name), (update,)))
    n = len(places)
    blocks = tuple(((RDD, p),) for p in range(n))
    return result_job(0, n, [RddPoint(RDD, n)], behind={RDD: ()}, blocks=blocks)


def where(backend: FakeBackend) -> dict[int, str]:
    return {t.partition: t.executor_id for t in backend.launched}


# -- order ----------------------------------------------------------------------


def test_jobs_first_come_first_served() -> None:
    backend = FakeBackend(executors=1)
    for job in range(3):
        backend.submit(result_job(job, 3))
    backend.run_all()
    assert [t.job_id for t in backend.launched] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_later_job_uses_the_cores_the_first_leaves() -> None:
    backend = FakeBackend(executors=3)
    backend.submit(result_job(0, 2))
    backend.submit(result_job(1, 2))
    assert [t.job_id for t in backend.running] == [0, 0, 1]


def test_fair_pools_share_the_cores() -> None:
    backend = FakeBackend(SchedulerConfig(fair=True, prefetch_below_s=0), executors=4)
    backend.submit(replace(result_job(0, 20), pool="long"))
    backend.submit(replace(result_job(1, 20), pool="short"))
    for _ in range(6):
        backend.succeed(backend.running[0])
    assert [t.job_id for t in backend.running].count(JobId(1)) == 2


def test_multi_core_executors_and_tasks() -> None:
    backend = FakeBackend(executors=2, cores=4)
    backend.submit(result_job(0, 10, task_cpus=2))
    assert [t.executor_id for t in backend.running] == ["e0", "e1", "e0", "e1"]
    backend.run_all()
    assert backend.finished == [0]


def test_task_that_fits_no_executor_is_a_clear_error() -> None:
    backend = FakeBackend(executors=2, cores=1)
    backend.submit(result_job(0, 1, task_cpus=2, name="map at x.py:9"))
    backend.submit(result_job(1, 1))
    backend.run_all()
    assert "needs 2 cores" in backend.failed[JobId(0)].message
    assert backend.finished == [1]


# -- locality -------------------------------------------------------------------


def test_task_runs_where_its_block_is_in_memory() -> None:
    backend = FakeBackend(executors=3)
    backend.submit(cached_on(backend, "e2", "e0", "e1"))
    assert where(backend) == {0: "e2", 1: "e0", 2: "e1"}


def test_task_runs_on_the_node_with_the_disk_block() -> None:
    backend = FakeBackend(executors=2, nodes=2)
    backend.submit(cached_on(backend, "e1", "e0", on_disk=True))
    assert where(backend) == {0: "e1", 1: "e0"}


def test_waiting_for_a_busy_holder_is_short() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(cached_on(backend, "e0", "e0"))
    assert len(backend.launched) == 1
    backend.advance(0.2)
    assert len(backend.launched) == 1
    backend.advance(0.2)
    assert where(backend) == {0: "e0", 1: "e1"}


def test_no_waiting_where_the_holder_would_take_long() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(cached_on(backend, *["e0"] * 20))
    backend.clock.advance(0.1)
    backend.succeed(backend.running[0])
    assert {t.executor_id for t in backend.running} == {"e0", "e1"}


@pytest.mark.parametrize(
    ("num", "task_s", "is_shared"),
    [(8, 0.3, True), (5, 0.05, False), (3, 2.0, False), (4, 2.0, True), (30, 0.05, True)],
)
def test_idle_executors_take_part_when_work_piles_up(
    num: int, task_s: float, is_shared: bool
) -> None:
    """The wait is three seconds; what is left after the first task decides."""
    backend = FakeBackend(SchedulerConfig(locality_wait_s=3.0, prefetch_below_s=0.0), executors=2)
    backend.submit(cached_on(backend, *["e0"] * num))
    backend.clock.advance(task_s)
    backend.succeed(backend.running[0])
    assert ({t.executor_id for t in backend.running} == {"e0", "e1"}) == is_shared


def test_no_waiting_for_the_dead() -> None:
    backend = FakeBackend(executors=2)
    job = cached_on(backend, "e0", "e0", "e0")
    backend.submit(job)
    backend.lose_executor("e0")
    assert [t.executor_id for t in backend.running] == ["e1"]
    backend.run_all()
    assert backend.finished == [0]
    assert backend.clock.now == 0


@pytest.mark.parametrize(("sizes", "places"), [(((9, 200), (200, 9)), {"e1", "e0"})])
def test_reducer_runs_where_most_of_its_input_is(sizes, places) -> None:
    backend = FakeBackend(executors=2, nodes=2)
    backend.submit(result_job(0, 2, [0], [map_stage(0, 2)]))
    for partition, task in enumerate(backend.running):
        backend.tasks.pop(task.task_id)
        node = NodeId(f"n{partition}")
        status = MapStatus(node, task.executor_id, 0, bytes(sizes[partition]), 1)
        backend.send(ev.TaskSucceeded(task.task_id, status))
    assert {t.partition: t.executor_id for t in backend.running} == {0: "e1", 1: "e0"}


# -- prefetching ----------------------------------------------------------------


def test_short_tasks_are_sent_ahead_the_more_the_better_they_are_known() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 100))
    assert len(backend.tasks) == 2, "nothing is known about the stage yet"
    backend.succeed(backend.running[0])
    assert len(backend.tasks) == 3
    backend.succeed(backend.running[0])
    assert len(backend.tasks) == 5
    for _ in range(10):
        backend.succeed(backend.running[0])
    most = SchedulerConfig().max_prefetch
    assert max(Counter(t.executor_id for t in backend.running).values()) == 1 + most
    backend.run_all()
    assert backend.finished == [0]


def test_fewer_tasks_are_sent_ahead_the_longer_they_are() -> None:
    config = SchedulerConfig()
    assert config.prefetch(0.0, 100) == config.prefetch(0.0001, 100) == config.max_prefetch
    assert config.prefetch(0.002, 100) == 2
    assert config.prefetch(0.02, 100) == 1
    assert config.prefetch(0.2, 100) == 0


def test_tasks_behind_a_long_one_are_taken_back_by_a_free_executor() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 30))
    backend.succeed(backend.running[0])
    _, *waiting = (t for t in backend.running if t.executor_id == "e0")
    assert waiting, "tasks wait behind one that will be long"
    while any(t.executor_id == "e1" for t in backend.running):
        backend.succeed(next(t for t in backend.running if t.executor_id == "e1"))
    backend.advance(1)
    recalled = {c.task_id for c in backend.commands(cmd.CancelTask)}
    assert recalled == {t.task_id for t in waiting}
    moved = {t.partition for t in backend.running if t.executor_id == "e1"}
    assert moved & {t.partition for t in waiting}
    for task in waiting:
        backend.kill(task)
    backend.run_all()
    assert backend.finished == [0]


def test_long_tasks_are_not_sent_ahead() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 20))
    backend.clock.advance(1)
    backend.succeed(backend.running[0])
    assert len(backend.tasks) == 2


def test_nothing_is_sent_ahead_when_a_core_would_idle() -> None:
    backend = FakeBackend(executors=4)
    backend.submit(result_job(0, 6))
    backend.succeed(backend.running[0])
    assert len(backend.tasks) == 4


def test_cancelled_task_in_a_queue_does_not_get_its_executor_killed() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 20))
    backend.succeed(backend.running[0])
    running, queued = backend.running
    backend.cancel(0)
    backend.kill(queued)
    backend.advance(1)
    backend.kill(running)
    backend.advance(10)
    assert backend.commands(cmd.KillExecutor) == []


def test_started_moves_a_prefetched_task_up() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 20))
    backend.succeed(backend.running[0])
    first, second = backend.running
    backend.succeed(first)
    backend.send(ev.TaskStarted(second.task_id))
    backend.run_all()
    assert backend.finished == [0]


# -- barrier --------------------------------------------------------------------


def test_barrier_starts_all_tasks_at_once() -> None:
    backend = FakeBackend(executors=3)
    backend.submit(result_job(0, 1))
    backend.submit(result_job(1, 3, is_barrier=True))
    backend.submit(result_job(2, 1))
    assert [t.job_id for t in backend.running] == [0], "cores are kept for the barrier"
    backend.succeed(backend.running[0])
    assert [t.job_id for t in backend.running] == [1, 1, 1]
    backend.run_all()
    assert backend.finished == [0, 1, 2]


def test_barrier_failure_runs_all_tasks_again_and_accepts_each_once() -> None:
    backend = FakeBackend(executors=3)
    backend.submit(result_job(0, 3, is_barrier=True))
    backend.succeed(backend.task(0))
    assert not backend.accepted
    other = backend.task(2)
    backend.fail(backend.task(1))
    assert len(backend.discarded) == 1
    backend.kill(other)
    assert backend.partitions() == [0, 1, 2]
    backend.run_all()
    assert sorted(a.index for a in backend.accepted if a.index is not None) == [0, 1, 2]
    assert backend.finished == [0]


def test_barrier_without_enough_cores_is_a_clear_error() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 3, is_barrier=True, name="barrier at x.py:1"))
    backend.submit(result_job(1, 1))
    assert backend.partitions() == [0], "others go on"
    backend.run_all()
    failure = backend.failed[JobId(0)]
    assert failure.kind == "barrier"
    assert "3 tasks at the same time, but there is room for 2" in failure.message


def test_barrier_waits_a_while_for_executors_to_come() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 3, is_barrier=True))
    backend.advance(10)
    backend.add_executor("late")
    assert backend.partitions() == [0, 1, 2]
    backend.advance(10)
    backend.run_all()
    assert backend.finished == [0]


def test_barrier_map_stage_that_lost_an_output_runs_whole() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 2, is_barrier=True)]))
    backend.succeed_all()
    backend.fetch_fail(backend.task(0), 0, [1])
    backend.run_all()
    assert backend.finished == [0]
    assert len([t for t in backend.launched if t.shuffle_id == 0]) == 4


def test_output_held_back_by_a_barrier_dies_with_its_node() -> None:
    backend = FakeBackend(executors=3, nodes=3)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 2, is_barrier=True)]))
    task = backend.running[0]
    backend.succeed(task)
    backend.lose_node({"e0": "n0", "e1": "n1", "e2": "n2"}[task.executor_id])
    backend.kill(backend.running[0])
    backend.run_all()
    assert backend.finished == [0]
    assert len([t for t in backend.launched if t.shuffle_id == 0]) == 4


# -- speculation ----------------------------------------------------------------


def speculating() -> tuple[FakeBackend, cmd.LaunchTask, cmd.LaunchTask]:
    """A stage with one straggler, and the copy that was started of it."""
    config = SchedulerConfig(speculation=True, speculation_quantile=0.5, prefetch_below_s=0)
    backend = FakeBackend(config, executors=2)
    backend.submit(result_job(0, 4, [0], [map_stage(0, 4)]))
    slow = backend.task(0, 0)
    for _ in range(3):
        backend.clock.advance(0.05)
        backend.succeed(backend.running[1])
    backend.advance(1)
    copy = backend.running[-1]
    return backend, slow, copy


def test_straggler_gets_a_copy_elsewhere() -> None:
    _, slow, copy = speculating()
    assert copy.is_speculative
    assert (copy.partition, copy.stage_attempt) == (slow.partition, slow.stage_attempt)
    assert copy.executor_id != slow.executor_id
    assert copy.attempt != slow.attempt, "two attempts would write one file"


@pytest.mark.parametrize("winner", ["original", "copy"])
def test_first_success_wins_and_the_loser_counts_nothing(winner: str) -> None:
    backend, slow, copy = speculating()
    first, second = (slow, copy) if winner == "original" else (copy, slow)
    backend.succeed(first)
    assert [c.task_id for c in backend.commands(cmd.CancelTask)] == [second.task_id]
    assert backend.succeed(second)[0] == cmd.DiscardResult(second.task_id)
    backend.run_all()
    assert backend.finished == [0]
    assert len(backend.accepted) == 8
    assert not any(a.is_repeat for a in backend.accepted)


def test_copys_fetch_failure_after_the_originals_success_is_ignored() -> None:
    backend, slow, copy = speculating()
    backend.succeed(slow)
    before = backend.scheduler.map_outputs.version(ShuffleId(0))
    backend.fetch_fail(copy, 0, [0])
    assert backend.scheduler.map_outputs.version(ShuffleId(0)) == before
    backend.run_all()
    assert backend.finished == [0]


def test_failing_copy_leaves_the_original_alone() -> None:
    backend, slow, copy = speculating()
    backend.fail(copy)
    assert slow in backend.running
    backend.succeed(slow)
    backend.run_all()
    assert backend.finished == [0]


def test_no_copies_by_default() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 4))
    for _ in range(3):
        backend.clock.advance(0.05)
        backend.succeed(backend.running[1])
    backend.advance(100)
    assert len(backend.launched) == 4
