"""Incidents: failing tasks, lost inputs, dead executors and nodes, late messages."""

from __future__ import annotations

from minispark.ids import ExecutorId, JobId, NodeId, ShuffleId, TaskId
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.scheduler.model import MapStatus
from minispark.testing import FakeBackend, map_stage, result_job

S0 = ShuffleId(0)


def reducing(executors: int = 4, nodes: int = 2, maps: int = 4, reducers: int = 4) -> FakeBackend:
    """A job of one shuffle whose map stage is done and whose reducers run."""
    backend = FakeBackend(executors=executors, nodes=nodes)
    backend.submit(result_job(0, reducers, [0], [map_stage(0, maps)]))
    while backend.partitions(0):
        backend.succeed(backend.task(backend.partitions(0)[0], 0))
    return backend


# -- lost inputs ----------------------------------------------------------------


def test_fetch_failure_runs_only_lost_maps_then_only_missing_reducers() -> None:
    backend = reducing()
    backend.succeed(backend.task(0))
    backend.succeed(backend.task(1))
    backend.fetch_fail(backend.task(2), 0, [1, 3])
    assert backend.partitions(0) == [], "not before the reports have come in"
    backend.fetch_fail(backend.task(3), 0, [1])
    backend.advance(0.1)
    assert backend.partitions(0) == [1, 3]
    backend.succeed_all()
    assert backend.partitions() == [2, 3]
    backend.run_all()
    assert backend.finished == [0]
    assert len(backend.accepted) == 4 + 2 + 4
    backend.assert_done()


def test_fetch_failures_of_several_reducers_cause_one_resubmission_and_count_once() -> None:
    backend = reducing(executors=8, maps=2, reducers=8)
    for partition in range(8):
        backend.fetch_fail(backend.task(partition), 0, [0])
    backend.run_all()
    assert backend.finished == [0]
    maps = [t for t in backend.launched if t.shuffle_id == 0]
    assert [t.partition for t in maps] == [0, 1, 0]
    assert {t.stage_attempt for t in backend.launched if t.shuffle_id is None} == {0, 1}


def test_map_attempts_name_new_files() -> None:
    backend = reducing()
    backend.fetch_fail(backend.task(0), 0, [1])
    backend.run_all()
    names = [(t.partition, t.attempt) for t in backend.launched if t.shuffle_id == 0]
    assert len(names) == len(set(names)) == 5
    assert (1, 1, NodeId("n0")) in [
        (m, a, NodeId("n0")) for m, a, _ in backend.scheduler.map_outputs.locations(S0)
    ]


def test_late_fetch_failure_while_the_map_stage_runs_again_is_ignored() -> None:
    backend = reducing()
    late = backend.task(3)
    backend.fetch_fail(backend.task(2), 0, [1])
    backend.advance(0.1)
    rerun = backend.task(1, 0)
    backend.succeed(rerun)
    backend.send(ev.FetchFailed(late.task_id, S0, ((1, 0),), None, "late"))
    backend.tasks.pop(late.task_id)
    assert len(backend.scheduler.map_outputs.locations(S0)) == 4
    backend.run_all()
    assert len([t for t in backend.launched if t.shuffle_id == 0]) == 5


def test_very_late_fetch_failure_of_an_old_attempt_ends_nothing() -> None:
    backend = reducing(executors=3, reducers=3)
    late = backend.task(2)
    for _ in range(3):
        backend.fetch_fail(backend.task(0), 0, [0])
        backend.advance(0.1)
        backend.succeed(backend.task(0, 0))
    version = backend.scheduler.map_outputs.version(S0)
    backend.send(ev.FetchFailed(late.task_id, S0, ((0, 0),), None, "late"))
    backend.tasks.pop(late.task_id)
    assert backend.scheduler.map_outputs.version(S0) == version
    assert not backend.failed
    backend.run_all()
    assert backend.finished == [0]


def test_four_failed_attempts_in_a_row_abort_with_the_reason() -> None:
    backend = reducing(executors=1, reducers=1)
    for attempt in range(4):
        assert not backend.failed
        backend.fetch_fail(backend.task(0), 0, [0])
        backend.advance(0.1)
        if attempt < 3:
            backend.succeed(backend.task(0, 0))
    failure = backend.failed[JobId(0)]
    assert failure.kind == "fetch"
    assert "a block is gone" in failure.message
    backend.assert_done()


def test_failed_attempts_spread_over_stages_do_not_abort() -> None:
    backend = FakeBackend(executors=1)
    chain = [map_stage(0, 1), map_stage(1, 1, [0]), map_stage(2, 1, [1])]
    backend.submit(result_job(0, 1, [2], chain))
    for shuffle in (0, 1, 2):
        backend.succeed(backend.running[0])
        for _ in range(3):
            backend.fetch_fail(backend.running[0], shuffle, [0])
            backend.advance(0.1)
            backend.succeed(backend.task(0, shuffle))
    backend.run_all()
    assert backend.finished == [0]


def test_success_of_the_stage_clears_its_failed_attempts() -> None:
    backend = FakeBackend(executors=1)
    chain = [map_stage(0, 1), map_stage(1, 1, [0])]
    backend.submit(result_job(0, 1, [1], chain))
    backend.succeed(backend.task(0, 0))
    for round_ in range(3):
        for _ in range(3):  # stage of shuffle 1 fails three times, then succeeds
            backend.fetch_fail(backend.task(0, 1), 0, [0])
            backend.advance(0.1)
            backend.succeed(backend.task(0, 0))
        backend.succeed(backend.task(0, 1))
        if round_ < 2:  # its output is lost: it runs again
            backend.fetch_fail(backend.task(0), 1, [0])
            backend.advance(0.1)
    backend.run_all()
    assert backend.finished == [0]


def test_lost_output_of_a_skipped_stage_is_made_for_the_second_job() -> None:
    backend = reducing()
    backend.run_all()
    backend.submit(result_job(1, 4, [0], [map_stage(0, 4)]))
    launched = len(backend.launched)
    backend.fetch_fail(backend.task(0), 0, [2])
    backend.run_all()
    again = [t for t in backend.launched[launched:] if t.shuffle_id == 0]
    assert [(t.partition, t.attempt) for t in again] == [(2, 1)]
    assert backend.finished == [0, 1]


def test_two_chained_shuffles_lost_with_a_node_run_in_order() -> None:
    backend = FakeBackend(executors=2, nodes=2)
    backend.submit(result_job(0, 2, [1], [map_stage(0), map_stage(1, 2, [0])]))
    while not backend.partitions():
        backend.succeed(backend.running[0])
    backend.lose_node("n1")
    seen = []
    while not backend.finished:
        if not backend.tasks:
            backend.advance(1)
        task = backend.running[0]
        if task.shuffle_id is None and task.stage_attempt == 0:
            backend.fetch_fail(task, 1, [])
        else:
            seen.append((task.shuffle_id, task.partition))
            backend.succeed(task)
    assert [s for s, _ in seen] == [0, 1, None, None]


def test_repeated_map_task_is_accepted_as_a_repetition() -> None:
    backend = reducing()
    backend.fetch_fail(backend.task(0), 0, [1])
    backend.run_all()
    repeats = [a for a in backend.accepted if a.is_repeat]
    assert len(repeats) == 1
    assert len([a for a in backend.accepted if a.index is None]) == 5


# -- late successes -------------------------------------------------------------


def test_success_from_the_dead_is_discarded() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 1)]))
    task = backend.running[0]
    backend.lose_executor(task.executor_id)
    status = MapStatus(NodeId("n0"), task.executor_id, task.attempt, b"", 1)
    assert backend.send(ev.TaskSucceeded(task.task_id, status)) == [cmd.DiscardResult(task.task_id)]
    assert backend.scheduler.map_outputs.locations(S0) == []
    assert backend.send(ev.TaskSucceeded(TaskId(999))) == [cmd.DiscardResult(TaskId(999))]


def test_result_of_an_old_attempt_counts_and_its_task_is_not_run_twice() -> None:
    backend = reducing()
    old = backend.task(3)
    backend.fetch_fail(backend.task(0), 0, [0])
    backend.advance(0.1)
    backend.succeed(backend.task(0, 0))
    assert backend.partitions() == [0, 1, 2, 3]
    backend.succeed(old)
    backend.run_all()
    assert backend.finished == [0]
    assert not backend.discarded
    assert len([t for t in backend.launched if t.shuffle_id is None]) == 5


# -- deaths ---------------------------------------------------------------------


def test_executor_lost_during_the_map_stage_keeps_its_outputs() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 4)]))
    backend.succeed(backend.task(0, 0))
    backend.lose_executor("e0")
    assert [m for m, _, _ in backend.scheduler.map_outputs.locations(S0)] == [0]
    backend.run_all()
    assert sorted(t.partition for t in backend.launched if t.shuffle_id == 0) == [0, 1, 2, 2, 3]


def test_output_inside_a_process_is_lost_with_it() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 2)]))
    task = backend.tasks.pop(backend.task(0, 0).task_id)
    status = MapStatus(NodeId("n0"), task.executor_id, task.attempt, b"", 1, in_executor=True)
    backend.send(ev.TaskSucceeded(task.task_id, status))
    backend.lose_executor(task.executor_id)
    assert backend.scheduler.map_outputs.locations(S0) == []
    backend.run_all()
    assert backend.finished == [0]


def test_node_takes_executors_outputs_and_disk_blocks() -> None:
    backend = reducing()
    block = (0, 0)
    update = ev.BlockUpdate(block, True, True)  # type: ignore[arg-type]
    backend.send(ev.BlocksUpdated(ExecutorId("e0"), (update,)))
    backend.lose_executor("e0")
    assert backend.scheduler.blocks.holders(block).nodes == ("n0",)  # type: ignore[arg-type]
    backend.lose_node("n0")
    assert backend.scheduler.blocks.holders(block) == ((), ())  # type: ignore[arg-type]
    assert {n for _, _, n in backend.scheduler.map_outputs.locations(S0)} == {"n1"}
    assert {e.node_id for e in backend.scheduler.executors} == {"n1"}
    assert backend.partitions(0) == [], "its cores are busy with reducers"
    backend.run_all()
    assert backend.finished == [0]


def test_node_lost_while_all_reducers_run_makes_nothing_again() -> None:
    backend = FakeBackend(executors=3, nodes=3)
    backend.submit(result_job(0, 1, [0], [map_stage(0, 2)]))
    for _ in range(2):
        backend.succeed(backend.running[0])
    backend.lose_node("n1")
    backend.run_all()
    assert len(backend.launched) == 3


def test_executor_loss_counts_for_the_task_it_ran_and_names_it() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1, name="map at job.py:3"))
    for i in range(4):
        backend.lose_executor(f"e{i}", "killed by signal 9")
        backend.add_executor(f"e{i + 1}")
    failure = backend.failed[JobId(0)]
    assert (failure.kind, failure.partition, failure.attempt) == ("executors", 0, 3)
    assert "killed by signal 9" in failure.message
    assert "map at job.py:3" in failure.message
    backend.assert_done()


def test_kills_we_asked_for_do_not_count() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    for i in range(10):
        backend.lose_executor(f"e{i}", intended=True)
        backend.add_executor(f"e{i + 1}")
    backend.run_all()
    assert backend.finished == [0]


def test_prefetched_task_is_not_blamed() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 50))
    backend.succeed(backend.running[0])
    for i in range(3):
        assert len(backend.tasks) >= 2
        backend.lose_executor(f"e{i}")
        backend.add_executor(f"e{i + 1}")
        while len(backend.tasks) < 2:
            backend.succeed(backend.running[0])
    assert not backend.failed


def test_all_executors_gone_and_none_comes() -> None:
    backend = FakeBackend(executors=1)
    backend.submit(result_job(0, 1))
    backend.lose_executor("e0")
    backend.advance(119)
    assert not backend.failed
    backend.advance(2)
    assert backend.failed[JobId(0)].kind == "executors"
    backend.assert_done()


def test_executors_that_come_in_time() -> None:
    backend = FakeBackend(executors=0)
    backend.submit(result_job(0, 1))
    backend.advance(119)
    backend.add_executor("e0")
    backend.advance(10)
    assert not backend.failed
    backend.run_all()
    assert backend.finished == [0]


def test_exhausted_launcher_fails_jobs_now_and_later_until_an_executor_comes() -> None:
    backend = FakeBackend(executors=1)
    backend.send(ev.ExecutorsExhausted("too early to say"))
    backend.submit(result_job(0, 1))
    assert not backend.failed
    backend.lose_executor("e0")
    backend.send(ev.ExecutorsExhausted("cannot start"))
    backend.submit(result_job(1, 1))
    assert [f.message for f in backend.failed.values()] == ["cannot start"] * 2
    backend.add_executor("e1")
    backend.submit(result_job(2, 1))
    backend.run_all()
    assert backend.finished == [2]


def test_replacement_that_does_not_come_does_not_block_the_others() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 6))
    backend.lose_executor("e0")
    backend.run_all()
    assert backend.finished == [0]
