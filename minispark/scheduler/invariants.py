"""What must hold after every event. Only looks; used by tests and when debugging."""

from __future__ import annotations

from minispark.ids import ShuffleId
from minispark.scheduler.stage import Delayed, Idle, Running, Stage, Waiting
from minispark.scheduler.state import SchedulerState


def validate(state: SchedulerState) -> None:
    """Raises AssertionError with the first rule that is broken."""
    state.map_outputs.validate()
    state.blocks.validate()
    _validate_executors(state)
    _validate_attempts(state)
    for stage in state.stages.values():
        _validate_stage(state, stage)
    for job in state.jobs.values():
        final = [s for s in job.stages.values() if s.shuffle_id is None]
        assert len(final) == 1, f"job {job.id} has {len(final)} result stages"
        assert not isinstance(final[0].state, Idle), f"nobody works on job {job.id}"
        for stage in job.stages.values():
            assert state.stages.get(stage.id) is stage, f"job {job.id}: retired {stage.id}"
            assert stage.jobs.get(job.id) is job, f"stage {stage.id} does not know job {job.id}"
    for stage in state.ready.in_order():
        assert state.stages.get(stage.id) is stage, f"retired stage {stage.id} is ready"


def _validate_executors(state: SchedulerState) -> None:
    table = state.executors
    total = queued = 0
    for executor in table.by_id.values():
        used = sum(a.stage.spec.task_cpus for a in executor.running.values())
        assert used == executor.used, f"{executor.id} uses {used}, not {executor.used}"
        assert executor.used <= executor.cores, f"{executor.id} has too many tasks"
        wanted = [a for a in executor.queued.values() if not a.is_cancelled]
        limit = state.config.max_prefetch
        assert len(wanted) <= limit, f"{executor.id} has {len(wanted)} tasks sent ahead"
        is_free = executor.used < executor.cores and not executor.is_doomed
        assert (executor.id in table.free) == is_free, f"{executor.id}: free is wrong"
        for attempt in (*executor.running.values(), *executor.queued.values()):
            profile_id = attempt.stage.spec.profile_id
            assert profile_id == executor.info.profile_id, f"{executor.id}: other profile"
            assert state.tasks.get(attempt.id) is attempt, f"unknown task on {executor.id}"
        total += executor.cores
        queued += len(executor.queued)
    assert total == table.total_cores, "total_cores is wrong"
    profiles = {e.info.profile_id for e in table.by_id.values()}
    for profile_id in profiles:
        of = [e for e in table.by_id.values() if e.info.profile_id == profile_id]
        assert table.cores_of(profile_id) == sum(e.cores for e in of), "cores_of is wrong"
        free = {e.id for e in of if e.id in table.free}
        assert table.free_of(profile_id).keys() == free, "free_of is wrong"
    assert queued == table.num_queued, "num_queued is wrong"
    assert table.free.keys() <= table.by_id.keys(), "a dead executor is free"


def _validate_attempts(state: SchedulerState) -> None:
    for task_id, attempt in state.tasks.items():
        executor = attempt.executor
        assert state.executors.by_id.get(executor.id) is executor, f"{task_id} is on the dead"
        place = executor.queued if attempt.is_queued else executor.running
        assert place.get(task_id) is attempt, f"{executor.id} does not have {task_id}"
        stage = attempt.stage
        owned = attempt in (
            stage.tasks.running.get(attempt.index),
            stage.tasks.copies.get(attempt.index),
        )
        assert owned != attempt.is_cancelled, f"task {task_id} is lost to stage {stage.id}"
        if owned:
            assert state.stages.get(stage.id) is stage, f"task {task_id} of a retired stage"


def _validate_stage(state: SchedulerState, stage: Stage) -> None:
    name = f"stage {stage.id}"
    tasks = stage.tasks
    assert stage.jobs, f"{name} is wanted by nobody"
    for job_id, job in stage.jobs.items():
        assert state.jobs.get(job_id) is job, f"{name} is wanted by ended job {job_id}"
        assert job.stages.get(stage.id) is stage, f"job {job_id} does not know {name}"
    if stage.shuffle_id is not None:
        assert state.by_shuffle.get(stage.shuffle_id) is stage, f"{name}: two for one shuffle"
    for attempt in tasks.attempts():
        assert state.tasks.get(attempt.id) is attempt, f"{name} waits for the dead"
        assert not attempt.is_cancelled, f"{name} waits for a cancelled task"
    assert tasks.copies.keys() <= tasks.running.keys(), f"{name}: a copy of nothing"
    assert not tasks.pending & tasks.running.keys(), f"{name}: pending and running"
    is_ready = isinstance(stage.state, Running) and bool(tasks.pending or tasks.slow)
    assert (stage in state.ready) == is_ready, f"{name}: ready is wrong"
    match stage.state:
        case Running():
            _validate_running(state, stage)
        case Waiting(missing):
            _validate_waiting(state, stage, missing)
        case Delayed():
            assert state.has_timer, f"{name} is delayed for ever"
        case Idle():
            assert not tasks.pending, f"{name} rests with tasks to launch"
            assert not tasks.running, f"{name} rests with tasks that run"
            assert not stage.waiters, f"{name} rests while stages wait for it"


def _validate_running(state: SchedulerState, stage: Stage) -> None:
    name = f"stage {stage.id}"
    tasks = stage.tasks
    if stage.spec.is_barrier:
        open_indexes = set(range(len(stage.partitions))) - {a.index for a, _ in stage.held}
    elif stage.shuffle_id is None:
        open_indexes = {i for i, done in enumerate(stage.done) if not done}
    else:
        open_indexes = set(state.map_outputs.missing(stage.shuffle_id))
    known = tasks.pending | tasks.running.keys()
    assert known == open_indexes, f"{name}: open {open_indexes}, known {known}"
    assert known, f"{name} runs without a task"
    assert tasks.reachable() == tasks.pending, f"{name}: a pending task is in no queue"


def _validate_waiting(state: SchedulerState, stage: Stage, missing: set[ShuffleId]) -> None:
    assert missing, f"stage {stage.id} waits for nothing"
    for shuffle_id, parent in state.by_shuffle.items():
        if shuffle_id not in missing:
            continue
        text = f"stage {stage.id} waits for shuffle {shuffle_id}"
        assert not isinstance(parent.state, Idle), f"{text}, nobody works on it"
        assert parent.waiters.get(stage.id) is stage, f"{text}, which does not know"
        wanting = {j for j, job in stage.jobs.items() if shuffle_id in job.specs}
        assert wanting <= parent.jobs.keys(), f"{text}, which not all its jobs want"
    assert missing <= state.by_shuffle.keys(), f"stage {stage.id} waits for no stage"


def assert_empty(state: SchedulerState) -> None:
    """Raises AssertionError when something of a job is left.

    Cancelled tasks that executors still hold are theirs, not a job's.
    """
    assert not state.jobs, f"jobs are left: {list(state.jobs)}"
    assert not state.stages, f"stages are left: {list(state.stages)}"
    assert not state.by_shuffle, f"map stages are left: {list(state.by_shuffle)}"
    assert not len(state.ready), "ready stages are left"
    left = [a.id for a in state.tasks.values() if not a.is_cancelled]
    assert not left, f"tasks are left: {left}"
