"""Incidents: stages whose output differs from run to run must not mix two runs."""

from __future__ import annotations

import pytest

from minispark.ids import JobId, RddId, ShuffleId
from minispark.plan.spec import JobSpec, RddPoint, ShufflePoint
from minispark.records import replace
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.testing import FakeBackend, map_stage, result_job


def indeterminate() -> FakeBackend:
    backend = FakeBackend(executors=4, nodes=2)
    stages = [map_stage(0, 4, is_indeterminate=True), map_stage(1, 4, [0])]
    backend.submit(result_job(0, 4, [1], stages))
    while backend.partitions(0):
        backend.succeed(backend.task(backend.partitions(0)[0], 0))
    return backend


def test_indeterminate_stage_runs_again_whole_with_all_made_of_it() -> None:
    backend = indeterminate()
    stale = backend.task(2, 1)
    backend.succeed(backend.task(0, 1))
    backend.fetch_fail(backend.task(1, 1), 0, [3])
    backend.advance(0.1)
    assert backend.scheduler.map_outputs.locations(ShuffleId(1)) == []
    assert stale.task_id in {c.task_id for c in backend.commands(cmd.CancelTask)}
    # Completion of a rolled-back attempt is ignored.
    assert backend.succeed(stale)[0] == cmd.DiscardResult(stale.task_id)
    backend.run_all()
    assert backend.finished == [0]
    again = sorted(t.partition for t in backend.launched if t.shuffle_id == 0 and t.attempt == 1)
    assert again == [0, 1, 2, 3]


def test_indeterminate_stage_lost_after_results_were_delivered_aborts() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 2, [0], [map_stage(0, 2, is_indeterminate=True)]))
    backend.succeed_all()
    backend.succeed(backend.task(0))
    backend.fetch_fail(backend.task(1), 0, [0])
    backend.advance(0.1)
    assert backend.failed[JobId(0)].kind == "fetch"
    assert "indeterminate" in backend.failed[JobId(0)].message
    backend.assert_done()


def test_indeterminate_stage_that_nobody_read_yet_just_goes_on() -> None:
    backend = FakeBackend(executors=4, nodes=2)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 4, is_indeterminate=True)]))
    backend.succeed(backend.task(0, 0))
    backend.lose_node("n0")
    backend.run_all()
    assert sorted(t.partition for t in backend.launched if t.shuffle_id == 0) == [0, 0, 1, 2, 2, 3]


def reading_unsteady(**fields: object) -> FakeBackend:
    """A stage nobody called indeterminate; a stage that reads it is half done."""
    backend = FakeBackend(executors=4)
    stages = [map_stage(0, 2, **fields), map_stage(1, 2, [0])]
    backend.submit(result_job(0, 2, [1], stages))
    for _ in range(2):
        backend.succeed(backend.running[0], fingerprint=11)
    backend.succeed(backend.task(0, 1))
    backend.fetch_fail(backend.task(1, 1), 0, [1])
    backend.advance(0.1)
    return backend


def test_map_that_gives_other_records_when_it_runs_again_is_found_out() -> None:
    backend = reading_unsteady()
    odd = backend.task(1, 0)
    backend.succeed(odd, fingerprint=12)
    assert odd.task_id in backend.discarded, "its output would be mixed with the others'"
    assert backend.partitions(0) == [0, 1]
    assert backend.scheduler.map_outputs.locations(ShuffleId(1)) == []
    backend.run_all()
    assert backend.finished == [0]
    # From now on it is known: a loss takes all of it at once.
    backend.submit(result_job(1, 2, [0], [map_stage(0, 2)]))
    backend.fetch_fail(backend.task(0), 0, [0])
    backend.kill(backend.task(1))
    backend.advance(0.1)
    assert backend.partitions(0) == [0, 1]
    backend.run_all()
    backend.assert_done()


@pytest.mark.parametrize(("before", "after"), [(11, 11), (11, 0), (0, 11)])
def test_map_that_may_have_given_the_same_records_runs_alone(before: int, after: int) -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 2)]))
    for task in backend.running:
        backend.succeed(task, fingerprint=before)
    backend.fetch_fail(backend.task(0), 0, [1])
    backend.advance(0.1)
    backend.succeed(backend.task(1, 0), fingerprint=after)
    backend.run_all()
    assert [t.partition for t in backend.launched if t.shuffle_id == 0] == [0, 1, 1]
    assert backend.finished == [0]


def test_barrier_stage_that_gives_other_records_is_one_run_or_none() -> None:
    backend = reading_unsteady(is_barrier=True)
    for map_id in (0, 1):
        backend.succeed(backend.task(map_id, 0), fingerprint=20 + map_id)
    assert backend.partitions(0) == [0, 1]
    backend.run_all()
    assert backend.finished == [0]
    assert len([a for a in backend.accepted if a.index is not None]) == 2
    backend.assert_done()


def test_job_for_lost_results_does_not_mix_two_runs() -> None:
    """Its other results were delivered by the job before it."""
    stages = [map_stage(0, 2, is_indeterminate=True)]
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 2, [0], stages))
    backend.run_all()
    again = result_job(1, 2, [0], stages, partitions=[1])
    backend.submit(replace(again, is_continuation=True))
    backend.fetch_fail(backend.task(1), 0, [0])
    backend.advance(0.1)
    assert "indeterminate" in backend.failed[JobId(1)].message
    backend.assert_done()


def cached_of_an_earlier_run(reported: bool = True) -> tuple[FakeBackend, JobSpec]:
    """An RDD made of an indeterminate stage; one of its two partitions is kept."""
    rdd = RddId(7)
    stages = [map_stage(0, 2, is_indeterminate=True)]
    job = result_job(
        1,
        2,
        [RddPoint(rdd, 2)],
        stages,
        behind={rdd: (ShufflePoint(ShuffleId(0)),)},
        blocks=tuple(((rdd, p),) for p in range(2)),
    )
    backend = FakeBackend(executors=2)
    backend.submit(replace(job, job_id=JobId(0)))
    backend.succeed_all()
    task = backend.task(0)
    update = ev.BlockUpdate((rdd, 0), True, False)
    if reported:
        backend.send(ev.BlocksUpdated(task.executor_id, (update,), task.task_id))
    backend.run_all()
    return backend, job


def test_persisted_partition_of_an_earlier_run_is_not_mixed_in() -> None:
    backend, job = cached_of_an_earlier_run()
    other = result_job(2, 1, [0], job.stages)
    backend.submit(other)
    backend.fetch_fail(backend.task(0), 0, [0, 1])
    backend.run_all()
    assert backend.finished == [0, 2]
    backend.submit(job)
    assert "unpersist the RDD" in backend.failed[JobId(1)].message
    backend.send(ev.RddUnpersisted(RddId(7)))
    backend.submit(replace(job, job_id=JobId(3)))
    backend.run_all()
    assert backend.finished == [0, 2, 3]
    backend.assert_done()


def test_a_checkpoint_does_not_hide_what_persisted_partitions_were_made_of() -> None:
    """The lineage is cut after the rollback, and the old partition is still there."""
    backend, job = cached_of_an_earlier_run()
    other = result_job(2, 1, [0], job.stages)
    backend.submit(other)
    backend.fetch_fail(backend.task(0), 0, [0, 1])
    backend.run_all()
    backend.send(ev.ShuffleForgotten(ShuffleId(0)))
    rdd = RddId(7)
    cut = result_job(3, 2, [RddPoint(rdd, 2)], behind={rdd: ()}, blocks=job.final.blocks)
    backend.submit(cut)
    assert "unpersist the RDD" in backend.failed[JobId(3)].message
    backend.send(ev.RddUnpersisted(rdd))
    backend.submit(replace(cut, job_id=JobId(4)))
    backend.run_all()
    assert {task.runs for task in backend.launched if task.job_id == 4} == {((rdd, 1),)}
    assert backend.finished == [0, 2, 4]
    backend.assert_done()


def test_a_checkpoint_does_not_hide_what_files_were_made_of_that_nobody_reported() -> None:
    """A task wrote its block and died; no block of the RDD is known at the rollback."""
    backend, job = cached_of_an_earlier_run(reported=False)
    backend.submit(result_job(2, 1, [0], job.stages))
    backend.fetch_fail(backend.task(0), 0, [0, 1])
    backend.run_all()
    backend.send(ev.ShuffleForgotten(ShuffleId(0)))
    rdd = RddId(7)
    backend.submit(result_job(3, 2, [RddPoint(rdd, 2)], behind={rdd: ()}, blocks=job.final.blocks))
    backend.run_all()
    assert {task.runs for task in backend.launched if task.job_id == 3} == {((rdd, 1),)}
    assert backend.finished == [0, 2, 3]
    backend.assert_done()


def test_tasks_are_told_which_run_their_blocks_have_to_be_of() -> None:
    """For what nobody reported: a block of the earlier run is missing to them."""
    rdd, other = RddId(7), RddId(8)
    stages = [map_stage(0, 2, is_indeterminate=True), map_stage(1, 2)]
    points = {rdd: (ShufflePoint(ShuffleId(0)),), other: (ShufflePoint(ShuffleId(1)),)}
    job = result_job(0, 2, [RddPoint(rdd, 2), RddPoint(other, 2)], stages, behind=points)
    backend = FakeBackend(executors=4)
    backend.submit(job)
    for shuffle in (0, 1):
        for partition in (0, 1):
            backend.succeed(backend.task(partition, shuffle))
    assert {task.runs for task in backend.launched} == {()}
    backend.fetch_fail(backend.task(0), 0, [1])
    backend.advance(0.1)
    backend.run_all()
    readers = [task.runs for task in backend.launched if task.shuffle_id is None]
    assert readers == [(), (), ((rdd, 1),), ((rdd, 1),)]
    assert backend.finished == [0]


def test_rollback_ends_the_job_that_reads_persisted_partitions_of_the_earlier_run() -> None:
    backend, job = cached_of_an_earlier_run()
    backend.submit(job)
    backend.fetch_fail(backend.task(1), 0, [1])
    backend.kill(backend.task(0))
    backend.advance(0.1)
    assert "unpersist the RDD" in backend.failed[JobId(1)].message
    backend.assert_done()


def test_block_that_a_task_of_the_earlier_run_keeps_late_is_not_mixed_in() -> None:
    rdd = RddId(7)
    fields = {
        "behind": {rdd: (ShufflePoint(ShuffleId(0)),)},
        "blocks": tuple(((rdd, p),) for p in range(2)),
    }
    backend = FakeBackend(executors=3)
    stages = [map_stage(0, 2, is_indeterminate=True)]
    backend.submit(result_job(0, 2, [RddPoint(rdd, 2)], stages, **fields))
    backend.succeed_all()
    stale = backend.task(0)
    backend.fetch_fail(backend.task(1), 0, [0])
    backend.advance(0.1)
    update = ev.BlockUpdate((rdd, 0), True, False)
    backend.send(ev.BlocksUpdated(stale.executor_id, (update,), stale.task_id))
    assert "unpersist the RDD" in backend.failed[JobId(0)].message
    backend.assert_done()
