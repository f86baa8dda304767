"""Jobs, stages and what they share: submission, reuse, cancel, stop."""

from __future__ import annotations

import pytest

from minispark.ids import ExecutorId, JobId, RddId, ShuffleId
from minispark.plan.spec import RddPoint, ShufflePoint
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.testing import FakeBackend, map_stage, result_job

RDD = RddId(7)


def cached_job(job_id: int, n: int = 2, shuffle: int = 0):
    """A result stage over a persisted RDD that is made of one shuffle."""
    return result_job(
        job_id,
        n,
        [RddPoint(RDD, n)],
        [map_stage(shuffle, 2)],
        behind={RDD: (ShufflePoint(ShuffleId(shuffle)),)},
        blocks=tuple(((RDD, p),) for p in range(n)),
    )


def store(backend: FakeBackend, executor: str, *partitions: int, there: bool = True) -> None:
    updates = tuple(ev.BlockUpdate((RDD, p), there, False) for p in partitions)
    backend.send(ev.BlocksUpdated(ExecutorId(executor), updates))


def test_job_without_partitions_ends_at_once_and_can_be_cancelled() -> None:
    backend = FakeBackend()
    assert backend.submit(result_job(0, 0)) == [cmd.FinishJob(JobId(0))]
    assert backend.cancel(0) == []
    backend.assert_done()


def test_one_narrow_stage() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 3, partitions=[2, 0]))
    assert [t.partition for t in backend.running] == [2, 0]
    backend.run_all()
    assert sorted(a.index for a in backend.accepted if a.index is not None) == [0, 1]
    assert backend.finished == [0]
    backend.assert_done()


def test_shuffle_makes_two_stages_and_the_second_waits() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 2, [0], [map_stage(0)]))
    assert backend.partitions(shuffle_id=0) == [0, 1]
    backend.succeed(backend.task(0, 0))
    assert backend.partitions() == []
    backend.succeed(backend.task(1, 0))
    assert backend.partitions() == [0, 1]
    assert all(t.reads == (0,) for t in backend.running)
    backend.run_all()
    backend.assert_done()


def test_empty_map_stage_is_complete() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 2, [0], [map_stage(0, 0)]))
    assert backend.partitions() == [0, 1]


def test_diamond_runs_the_shared_parent_once() -> None:
    backend = FakeBackend()
    stages = [map_stage(0), map_stage(1, 2, [0]), map_stage(2, 2, [0])]
    backend.submit(result_job(0, 2, [1, 2], stages))
    backend.run_all()
    assert len(backend.launched) == 8
    assert backend.finished == [0]


def test_independent_stages_run_at_once() -> None:
    backend = FakeBackend(executors=4)
    backend.submit(result_job(0, 2, [0, 1], [map_stage(0), map_stage(1)]))
    assert {t.shuffle_id for t in backend.running} == {0, 1}


def test_rdd_zipped_with_itself_thirty_times_stays_small() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 1, [0] * 2**12, [map_stage(0, 1)]))
    backend.run_all()
    assert len(backend.launched) == 2


def test_cached_rdd_hides_its_parents() -> None:
    backend = FakeBackend()
    store(backend, "e0", 0, 1)
    backend.submit(cached_job(0))
    assert backend.partitions(0) == []
    backend.run_all()
    assert len(backend.launched) == 2


def test_cached_rdd_over_a_shuffle_needs_no_shuffle() -> None:
    backend = FakeBackend()
    backend.submit(cached_job(0))
    backend.run_all()
    store(backend, "e0", 0, 1)
    for map_id, attempt, _ in backend.scheduler.map_outputs.locations(ShuffleId(0)):
        backend.scheduler.map_outputs.unregister(ShuffleId(0), map_id, attempt)
    backend.submit(cached_job(1))
    assert backend.partitions(0) == []
    backend.run_all()
    assert backend.finished == [0, 1]


def test_lost_cached_partition_behind_a_skipped_stage_runs_no_map_task() -> None:
    backend = FakeBackend()
    backend.submit(cached_job(0))
    backend.run_all()
    store(backend, "e0", 0, 1)
    store(backend, "e0", 1, there=False)
    backend.submit(cached_job(1))
    backend.run_all()
    assert [t.shuffle_id for t in backend.launched[4:]] == [None, None]


def test_lost_cached_partition_behind_a_lost_map_output_is_one_map_task() -> None:
    backend = FakeBackend(executors=2, nodes=2)
    backend.submit(cached_job(0))
    backend.run_all()
    store(backend, "e0", 0, 1)
    backend.lose_node("n1")
    store(backend, "e0", 1, there=False)
    backend.submit(cached_job(1))
    backend.run_all()
    assert [t.shuffle_id for t in backend.launched[4:]] == [0, None, None]


def test_hidden_shuffle_that_a_task_lacks_is_made() -> None:
    backend = FakeBackend()
    store(backend, "e0", 0, 1)
    backend.submit(cached_job(0))
    # The block went, its report was lost: the task has no locations at all.
    backend.send(ev.FetchFailed(backend.task(0).task_id, ShuffleId(0), (), None, "none"))
    backend.tasks.pop(backend.launched[0].task_id)
    backend.advance(1)
    assert backend.partitions(0) != []
    backend.run_all()
    assert backend.finished == [0]
    assert backend.launched[-1].reads == (0,)


def test_second_job_skips_the_shuffle() -> None:
    backend = FakeBackend()
    for job in (0, 1):
        backend.submit(result_job(job, 2, [0], [map_stage(0, 5)]))
        backend.run_all()
    assert len(backend.launched) == 5 + 2 + 2
    backend.assert_done()


def test_first_use_of_a_shuffle_by_two_jobs_at_once_runs_it_once() -> None:
    backend = FakeBackend()
    for job in (0, 1):
        backend.submit(result_job(job, 2, [0], [map_stage(0, 5)]))
    backend.run_all()
    assert len([t for t in backend.launched if t.shuffle_id == 0]) == 5
    assert sorted(backend.finished) == [0, 1]
    backend.assert_done()


def test_shared_running_stage_survives_the_cancel_of_one_job() -> None:
    backend = FakeBackend()
    chain = [map_stage(0), map_stage(1, 2, [0])]
    backend.submit(result_job(0, 2, [1], chain))
    backend.submit(result_job(1, 2, [1], chain))
    commands = backend.cancel(0)
    assert [type(c) for c in commands] == [cmd.FailJob]
    backend.run_all()
    assert backend.finished == [1]
    assert len(backend.launched) == 6
    assert all(t.job_id == 1 for t in backend.launched[2:]), "code of the ended job"
    backend.assert_done()


def test_job_that_joins_a_waiting_stage_keeps_what_that_waits_for() -> None:
    backend = FakeBackend()
    chain = [map_stage(0), map_stage(1, 2, [0]), map_stage(2, 2, [1])]
    backend.submit(result_job(0, 2, [2], chain))
    backend.submit(result_job(1, 2, [1], chain[:2]))
    backend.cancel(0)
    backend.run_all()
    assert backend.finished == [1]
    backend.assert_done()


def test_failing_shared_stage_fails_both_jobs_and_stops_only_their_tasks() -> None:
    backend = FakeBackend(executors=4)
    backend.submit(result_job(0, 2, [0, 1], [map_stage(0, 1), map_stage(1, 1)]))
    backend.submit(result_job(1, 2, [0], [map_stage(0, 1)]))
    backend.submit(result_job(2, 1))
    backend.fail(backend.task(0, 0), is_retryable=False)
    assert set(backend.failed) == {0, 1}
    cancelled = [c.task_id for c in backend.commands(cmd.CancelTask)]
    assert cancelled == [t.task_id for t in backend.launched if t.shuffle_id == 1]
    backend.run_all()
    assert backend.finished == [2]
    backend.assert_done()


def test_one_of_two_parents_fails_and_the_others_core_comes_back() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 2, [0, 1], [map_stage(0, 1), map_stage(1, 1)]))
    backend.fail(backend.task(0, 0), is_retryable=False)
    other = backend.task(0, 1)
    backend.submit(result_job(1, 2))
    assert backend.partitions() == [0], "the cancelled task still has its core"
    backend.kill(other)
    assert backend.partitions() == [0, 1]


@pytest.mark.parametrize("phase", ["queued", "running", "retrying", "delayed"])
def test_cancel(phase: str) -> None:
    backend = FakeBackend(executors=0 if phase == "queued" else 1)
    backend.submit(result_job(0, 2, [0], [map_stage(0, 1)]))
    if phase == "retrying":
        backend.fail(backend.task(0, 0))
    if phase == "delayed":
        backend.succeed(backend.task(0, 0))
        backend.fetch_fail(backend.running[0], 0, [0])
    backend.cancel(0, "enough")
    assert backend.failed[JobId(0)].kind == "cancelled"
    assert backend.failed[JobId(0)].message == "enough"
    backend.assert_done()
    launched = len(backend.launched)
    backend.advance(10)
    assert len(backend.launched) == launched
    assert backend.cancel(0) == [], "cancelled again"


def test_cancel_of_an_unknown_job_is_ignored() -> None:
    assert FakeBackend().cancel(99) == []


def test_cancelled_task_keeps_its_core_until_it_answers() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    first = backend.task(0)
    backend.cancel(0)
    backend.submit(result_job(1, 1))
    assert len(backend.launched) == 1
    assert backend.succeed(first)[0] == cmd.DiscardResult(first.task_id)
    assert backend.launched[-1].job_id == 1


def test_executor_that_does_not_let_go_is_killed_without_blame() -> None:
    backend = FakeBackend(executors=1, cores=2)
    backend.submit(result_job(0, 1))
    backend.submit(result_job(1, 1))
    backend.cancel(0)
    backend.advance(1.9)
    assert backend.commands(cmd.KillExecutor) == []
    backend.advance(0.2)
    assert [c.executor_id for c in backend.commands(cmd.KillExecutor)] == ["e0"]
    backend.submit(result_job(2, 1))
    assert len(backend.launched) == 2, "no task for the doomed"
    for i in range(1, 6):
        backend.lose_executor(f"e{i - 1}", intended=True)
        backend.add_executor(f"e{i}")
    backend.run_all()
    assert backend.finished == [1, 2]


def test_backend_that_cannot_kill_still_ends_the_job_and_recovers() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    stuck = backend.task(0)
    backend.cancel(0)
    assert 0 in backend.failed
    backend.advance(5)
    backend.submit(result_job(1, 1))
    backend.succeed(stuck)  # the kill had no effect, the task came to its end
    backend.run_all()
    assert backend.finished == [1]


def test_stop_fails_jobs_running_and_later() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 3))
    backend.send(ev.Stopped("stop() was called"))
    backend.submit(result_job(1, 3))
    assert [f.kind for f in backend.failed.values()] == ["stopped", "stopped"]
    backend.assert_done()


def test_job_submitted_while_another_ones_end_is_reported() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    backend.succeed(backend.task(0))
    backend.submit(result_job(1, 1))  # from a listener of job 0's end
    backend.run_all()
    assert backend.finished == [0, 1]


def test_illegal_events_raise_and_change_nothing() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 1)]))
    with pytest.raises(ValueError, match="no map status"):
        backend.send(ev.TaskSucceeded(backend.task(0, 0).task_id))
    with pytest.raises(ValueError, match="submitted twice"):
        backend.submit(result_job(0, 1))
    with pytest.raises(ValueError, match="registered twice"):
        backend.add_executor("e0")
    backend.run_all()
    assert backend.finished == [0]


def test_forgotten_shuffle_is_dropped_when_no_job_reads_it() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 1, [0], [map_stage(0)]))
    assert backend.send(ev.ShuffleForgotten(ShuffleId(0))) == []
    backend.run_all()
    assert backend.commands(cmd.DropShuffle) == [cmd.DropShuffle(ShuffleId(0))]
    assert backend.scheduler.map_outputs.locations(ShuffleId(0)) == []


def test_code_of_a_stage_is_dropped_when_no_job_wants_it() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 1, [0], [map_stage(0)]))
    backend.run_all()
    ended = {c.stage_id for c in backend.commands(cmd.EndStage)}
    assert ended == {t.stage_id for t in backend.launched}


@pytest.mark.parametrize("shape", ["chain", "wide", "many partitions"])
def test_deep_and_wide_lineage(shape: str) -> None:
    backend = FakeBackend(executors=4, validate=False)
    if shape == "chain":
        stages = [map_stage(0, 1)] + [map_stage(i, 1, [i - 1]) for i in range(1, 2000)]
        job = result_job(0, 1, [1999], stages)
    elif shape == "wide":
        job = result_job(0, 1, range(500), [map_stage(i, 1) for i in range(500)])
    else:
        job = result_job(0, 10_000)
    backend.submit(job)
    backend.run_all()
    assert backend.finished == [0]
    assert len(backend.launched) == len(job.stages) + len(job.partitions)
    backend.assert_done()


def test_status_snapshots() -> None:
    backend = FakeBackend()
    backend.submit(result_job(3, 2, [0], [map_stage(0, 3, name="map at x.py:1")]))
    info = backend.scheduler.job_info(JobId(3))
    assert info is not None
    assert (info.num_partitions, info.num_completed, len(info.stage_ids)) == (2, 0, 2)
    stage = backend.scheduler.stage_info(info.active_stage_ids[0])
    assert stage is not None
    assert (stage.name, stage.num_tasks, stage.num_active) == ("map at x.py:1", 3, 2)
    backend.run_all()
    ended = backend.scheduler.job_info(JobId(3))
    assert ended is not None
    assert (ended.status, ended.active_stage_ids) == ("succeeded", ())
