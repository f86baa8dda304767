"""Stages with a resource profile run on executors of that profile, and nowhere else."""

from __future__ import annotations

import random

import pytest

from minispark.ids import ExecutorId, TaskId
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.scheduler.config import SchedulerConfig
from minispark.testing import FakeBackend, map_stage, result_job


def provided(backend: FakeBackend) -> list[tuple[int, int]]:
    return [(c.profile_id, c.num_tasks) for c in backend.log if isinstance(c, cmd.ProvideExecutors)]


def places(backend: FakeBackend) -> set[ExecutorId]:
    return {task.executor_id for task in backend.running}


def test_executors_are_asked_for_once_and_run_the_tasks() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 3, profile_id=7))
    assert provided(backend) == [(7, 3)]
    assert backend.running == []
    backend.add_executor("p0", profile_id=7)
    assert places(backend) == {"p0"}
    backend.run_all()
    assert backend.finished == [0]
    # They stay: a smaller job asks for nothing, a larger one for more.
    backend.submit(result_job(1, 2, profile_id=7))
    backend.run_all()
    backend.submit(result_job(2, 5, profile_id=7))
    backend.run_all()
    assert backend.finished == [0, 1, 2]
    assert provided(backend) == [(7, 3), (7, 5)]


def test_other_stages_leave_those_executors_alone() -> None:
    backend = FakeBackend(executors=1)
    backend.add_executor("p0", profile_id=7)
    backend.submit(result_job(0, 4))
    assert places(backend) == {"e0"}
    backend.submit(result_job(1, 1, profile_id=7))
    assert places(backend) == {"e0", "p0"}
    backend.submit(result_job(2, 1, profile_id=8))
    backend.add_executor("q0", profile_id=8)
    assert places(backend) == {"e0", "p0", "q0"}
    backend.run_all()
    assert sorted(backend.finished) == [0, 1, 2]


def test_stages_of_one_job_run_each_in_its_place() -> None:
    backend = FakeBackend(executors=2)
    stage = map_stage(0, 2)
    backend.submit(result_job(0, 2, reads=[0], stages=[stage], profile_id=3))
    assert provided(backend) == []  # nothing to do for them yet
    assert places(backend) == {"e0", "e1"}
    for task in list(backend.running):
        backend.succeed(task)
    assert provided(backend) == [(3, 2)]
    backend.add_executor("p0", profile_id=3)
    assert places(backend) == {"p0"}
    backend.run_all()
    assert backend.finished == [0]


def test_a_stage_without_executors_fails_after_a_time() -> None:
    backend = FakeBackend(SchedulerConfig(profile_wait_s=30), executors=2)
    backend.submit(result_job(0, 2, profile_id=7, profile="gpu: 1", name="map at x.py:3"))
    backend.submit(result_job(1, 50))
    backend.advance(29)
    assert backend.failed == {}
    backend.advance(1)
    failure = backend.failed[0]
    assert failure.kind == "executors"
    assert "map at x.py:3" in failure.message
    assert "profile 7 (gpu: 1)" in failure.message
    backend.run_all()
    assert backend.finished == [1]
    # Another job asks anew, and is served when there is room by then.
    backend.submit(result_job(2, 2, profile_id=7))
    assert provided(backend) == [(7, 2), (7, 2)]
    backend.advance(20)
    backend.add_executor("p0", profile_id=7)
    backend.advance(20)
    backend.run_all()
    assert backend.finished == [1, 2]


def test_busy_executors_are_waited_for() -> None:
    backend = FakeBackend(SchedulerConfig(profile_wait_s=30), executors=1)
    backend.add_executor("p0", profile_id=7)
    backend.submit(result_job(0, 1, profile_id=7))
    backend.submit(result_job(1, 1, profile_id=7))
    backend.advance(1000)
    assert backend.failed == {}
    backend.run_all()
    assert backend.finished == [0, 1]


def test_lost_executors_have_time_to_be_replaced() -> None:
    backend = FakeBackend(SchedulerConfig(profile_wait_s=30), executors=1)
    backend.submit(result_job(0, 2, profile_id=7))
    backend.add_executor("p0", profile_id=7)
    backend.lose_executor("p0")
    backend.advance(29)
    backend.add_executor("p1", profile_id=7)
    backend.advance(100)
    assert backend.failed == {}
    backend.run_all()
    assert backend.finished == [0]


def test_a_refusal_fails_the_stages_at_once() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 2, profile_id=7, profile="gpu: 9"))
    backend.submit(result_job(1, 2, profile_id=8))
    backend.submit(result_job(2, 2))
    backend.send(ev.ProfileRefused(7, "there are 2 gpu here"))
    assert list(backend.failed) == [0]
    assert "gpu: 9" in backend.failed[0].message
    assert "there are 2 gpu here" in backend.failed[0].message
    backend.add_executor("p0", profile_id=8)
    backend.run_all()
    assert sorted(backend.finished) == [1, 2]


def test_default_stages_do_not_hang_when_only_others_live() -> None:
    backend = FakeBackend(SchedulerConfig(executor_timeout_s=60), executors=1)
    backend.submit(result_job(0, 1, profile_id=7))
    backend.add_executor("p0", profile_id=7)
    backend.lose_executor("e0")
    backend.submit(result_job(1, 1))
    backend.advance(61)
    assert list(backend.failed) == [1]
    assert "the default" in backend.failed[1].message
    backend.run_all()
    assert backend.finished == [0]


def test_barrier_stages_count_their_own_executors() -> None:
    backend = FakeBackend(SchedulerConfig(barrier_wait_s=15), executors=4)
    backend.submit(result_job(0, 2, is_barrier=True, profile_id=7))
    backend.add_executor("p0", profile_id=7)
    assert backend.running == []
    backend.add_executor("p1", profile_id=7)
    assert places(backend) == {"p0", "p1"}
    backend.run_all()
    assert backend.finished == [0]


def test_copies_stay_in_the_profile() -> None:
    config = SchedulerConfig(speculation=True, speculation_quantile=0.5)
    backend = FakeBackend(config, executors=3)
    for name in ("p0", "p1"):
        backend.add_executor(name, profile_id=7)
    backend.submit(result_job(0, 2, profile_id=7))
    quick, slow = backend.running
    backend.advance(0.2)
    backend.succeed(quick)
    backend.advance(10)
    assert places(backend) == {"p0", "p1"}
    assert len(backend.running) == 2
    backend.succeed(slow)
    assert backend.finished == [0]


@pytest.mark.parametrize("seed", range(30))
def test_random_jobs_never_mix(seed: int) -> None:
    rng = random.Random(seed)
    backend = FakeBackend(SchedulerConfig(fair=seed % 2 == 1), executors=2)
    home: dict[str, int] = {"e0": 0, "e1": 0}
    profile_of: dict[int, int] = {}
    for job in range(12):
        profile_of[job] = rng.randrange(3)
        stages = [map_stage(100 + job, 3, profile_id=rng.randrange(3))]
        backend.submit(
            result_job(job, rng.randrange(1, 9), [100 + job], stages, profile_id=profile_of[job])
        )
        if job in (2, 4, 6):
            name = f"p{job}"
            home[name] = rng.choice((1, 2)) if job > 2 else 1
            backend.add_executor(name, profile_id=home[name])
        for task in list(backend.running):
            if rng.random() < 0.5:
                backend.succeed(task)
    for name, profile_id in (("last1", 1), ("last2", 2)):
        home[name] = profile_id
        backend.add_executor(name, profile_id=profile_id)
    backend.run_all()
    assert sorted(backend.finished) == list(range(12))
    ran = {task.task_id: task for task in backend.launched}
    for task in ran.values():
        if task.shuffle_id is None:
            assert home[task.executor_id] == profile_of[task.job_id], TaskId
