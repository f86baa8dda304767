"""Incidents: tasks that fail."""

from __future__ import annotations

from minispark.ids import JobId
from minispark.scheduler import commands as cmd
from minispark.scheduler.dag import SchedulerConfig
from minispark.testing import FakeBackend, map_stage, result_job

# -- failing tasks --------------------------------------------------------------


def test_three_failures_then_success() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    for attempt in range(3):
        assert backend.task(0).attempt == attempt
        backend.fail(backend.task(0))
    backend.run_all()
    assert backend.finished == [0]


def test_fourth_failure_ends_the_job_with_what_the_task_said() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 2, name="map at a.py:1"))
    for attempt in range(4):
        backend.fail(backend.task(1), ("traceback", attempt))
    failure = backend.failed[JobId(0)]
    assert failure.kind == "task"
    assert failure.cause == ("traceback", 3)
    assert (failure.partition, failure.attempt, failure.stage_name) == (1, 3, "map at a.py:1")
    assert [c.task_id for c in backend.commands(cmd.CancelTask)] == [backend.task(0).task_id]
    backend.kill(backend.task(0))
    backend.assert_done()


def test_failures_are_counted_per_task() -> None:
    backend = FakeBackend(SchedulerConfig(prefetch_below_s=0), executors=1)
    backend.submit(result_job(0, 4))
    for partition in range(4):
        for _ in range(3):
            backend.fail(backend.task(partition))
        backend.succeed(backend.task(partition))
    assert backend.finished == [0]


def test_failed_task_goes_to_another_executor_if_one_is_free() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 1))
    first = backend.task(0)
    backend.fail(first)
    assert backend.task(0).executor_id != first.executor_id


def test_error_that_no_attempt_can_mend_fails_at_once() -> None:
    backend = FakeBackend()
    backend.submit(result_job(0, 1))
    backend.fail(backend.task(0), "result too large", is_retryable=False)
    assert backend.failed[JobId(0)].cause == "result too large"


def test_failures_that_do_not_count_are_bounded_all_the_same() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    for _ in range(10):
        backend.fail(backend.task(0), "disk full", counts=False)
    assert not backend.failed
    while not backend.failed:
        backend.fail(backend.task(0), "disk full", counts=False)
    assert backend.failed[JobId(0)].cause == "disk full"


def test_kill_that_nobody_asked_for_runs_the_task_again() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    backend.kill(backend.task(0))
    backend.run_all()
    assert backend.finished == [0]


def test_task_failures_and_lost_inputs_are_counted_apart() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 1)]))
    backend.succeed(backend.task(0, 0))
    for _ in range(3):
        backend.fail(backend.task(0))
    for _ in range(3):
        backend.fetch_fail(backend.task(0), 0, [0])
        backend.advance(0.1)
        backend.succeed(backend.task(0, 0))
    backend.run_all()
    assert backend.finished == [0]
