"""The 45 situations a scheduler must survive, and the test that plays each.

The list is distilled from the test suites of schedulers that were wrong in
them. `SCENARIOS` is its index: number -> what happens, and the tests. A test
without a module is in this one: those that fit no other module's topic.
"""

from __future__ import annotations

import importlib

import pytest

from minispark.ids import ExecutorId, JobId, RddId, ShuffleId
from minispark.plan.spec import RddPoint
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.scheduler.dag import SchedulerConfig
from minispark.testing import FakeBackend, map_stage, result_job

SCENARIOS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "a job without partitions ends at once and can be cancelled",
        ("test_jobs.test_job_without_partitions_ends_at_once_and_can_be_cancelled",),
    ),
    2: (
        "one narrow stage; a shuffle makes two",
        (
            "test_jobs.test_one_narrow_stage",
            "test_jobs.test_shuffle_makes_two_stages_and_the_second_waits",
        ),
    ),
    3: (
        "a shared parent appears once; diamonds; an RDD zipped with itself 30 times",
        (
            "test_jobs.test_diamond_runs_the_shared_parent_once",
            "test_jobs.test_rdd_zipped_with_itself_thirty_times_stays_small",
        ),
    ),
    4: ("a cached RDD hides its parents", ("test_jobs.test_cached_rdd_hides_its_parents",)),
    5: (
        "fetch failure: only the lost maps, then only the missing reducers",
        ("test_faults.test_fetch_failure_runs_only_lost_maps_then_only_missing_reducers",),
    ),
    6: (
        "fetch failures of several reducers of one attempt: one resubmission",
        (
            "test_faults."
            "test_fetch_failures_of_several_reducers_cause_one_resubmission_and_count_once",
        ),
    ),
    7: (
        "late fetch failure while the map stage runs again",
        ("test_faults.test_late_fetch_failure_while_the_map_stage_runs_again_is_ignored",),
    ),
    8: (
        "very late fetch failure of an old reduce attempt",
        ("test_faults.test_very_late_fetch_failure_of_an_old_attempt_ends_nothing",),
    ),
    9: (
        "many fetch failures in one attempt do not abort",
        ("test_many_fetch_failures_in_one_attempt_do_not_abort",),
    ),
    10: (
        "four failed attempts in a row abort",
        ("test_faults.test_four_failed_attempts_in_a_row_abort_with_the_reason",),
    ),
    11: (
        "failed attempts spread over stages, or with success between, do not abort",
        (
            "test_faults.test_failed_attempts_spread_over_stages_do_not_abort",
            "test_faults.test_success_of_the_stage_clears_its_failed_attempts",
        ),
    ),
    12: (
        "fetch failure in a shuffle that a second job uses: the skipped stage runs in part",
        ("test_faults.test_lost_output_of_a_skipped_stage_is_made_for_the_second_job",),
    ),
    13: (
        "executor lost during the map stage after some outputs were registered",
        ("test_faults.test_executor_lost_during_the_map_stage_keeps_its_outputs",),
    ),
    14: (
        "success from an executor that was declared lost",
        ("test_faults.test_success_from_the_dead_is_discarded",),
    ),
    15: (
        "an old attempt's task ends after the retry started: used once",
        ("test_faults.test_result_of_an_old_attempt_counts_and_its_task_is_not_run_twice",),
    ),
    16: (
        "never two active attempts of one task",
        ("test_no_task_ever_has_two_attempts_at_work",),
    ),
    17: (
        "what is lost with a process and what with a node",
        (
            "test_faults.test_executor_lost_during_the_map_stage_keeps_its_outputs",
            "test_faults.test_output_inside_a_process_is_lost_with_it",
            "test_faults.test_node_takes_executors_outputs_and_disk_blocks",
        ),
    ),
    18: (
        "outputs of two chained shuffles are lost at once: both parents, in order",
        ("test_faults.test_two_chained_shuffles_lost_with_a_node_run_in_order",),
    ),
    19: (
        "a cached RDD behind a shuffle needs no shuffle",
        ("test_jobs.test_cached_rdd_over_a_shuffle_needs_no_shuffle",),
    ),
    20: (
        "lost cached partition behind a skipped stage: one task",
        (
            "test_jobs.test_lost_cached_partition_behind_a_skipped_stage_runs_no_map_task",
            "test_jobs.test_lost_cached_partition_behind_a_lost_map_output_is_one_map_task",
        ),
    ),
    21: (
        "two jobs share a running stage, the first is cancelled",
        ("test_jobs.test_shared_running_stage_survives_the_cancel_of_one_job",),
    ),
    22: (
        "a failing stage shared by two jobs fails both and what only they needed",
        ("test_jobs.test_failing_shared_stage_fails_both_jobs_and_stops_only_their_tasks",),
    ),
    23: (
        "one of two parents fails: the other's tasks are cancelled, cores come back",
        ("test_jobs.test_one_of_two_parents_fails_and_the_others_core_comes_back",),
    ),
    24: (
        "cancel while queued, running, retrying; of an unknown or finished job",
        ("test_jobs.test_cancel", "test_jobs.test_cancel_of_an_unknown_job_is_ignored"),
    ),
    25: (
        "a backend that cannot kill: cancel still ends the job",
        ("test_jobs.test_backend_that_cannot_kill_still_ends_the_job_and_recovers",),
    ),
    26: (
        "the driver's handling of a result fails: the job fails, the scheduler lives",
        ("test_job_whose_result_the_driver_cannot_handle_ends_alone",),
    ),
    27: (
        "three failures, then success",
        ("test_task_failures.test_three_failures_then_success",),
    ),
    28: (
        "kills we asked for do not count; executor loss counts for what it ran",
        (
            "test_faults.test_kills_we_asked_for_do_not_count",
            "test_faults.test_executor_loss_counts_for_the_task_it_ran_and_names_it",
            "test_faults.test_prefetched_task_is_not_blamed",
        ),
    ),
    29: (
        "a stage that cannot be shipped: nothing of it is left",
        ("test_job_that_cannot_be_shipped_leaves_nothing",),
    ),
    30: (
        "a result too large or not picklable: the job fails, nothing hangs",
        (
            "test_task_failures.test_error_that_no_attempt_can_mend_fails_at_once",
            "test_job_whose_result_the_driver_cannot_handle_ends_alone",
        ),
    ),
    31: (
        "speculation: first success wins, all counts once, the copy's late complaint is ignored",
        (
            "test_dispatch.test_first_success_wins_and_the_loser_counts_nothing",
            "test_dispatch.test_copys_fetch_failure_after_the_originals_success_is_ignored",
        ),
    ),
    32: (
        "indeterminate map stage retried: everything again, or abort",
        (
            "test_indeterminate.test_indeterminate_stage_runs_again_whole_with_all_made_of_it",
            "test_indeterminate.test_indeterminate_stage_lost_after_results_were_delivered_aborts",
        ),
    ),
    33: (
        "completion of a rolled-back attempt",
        ("test_indeterminate.test_indeterminate_stage_runs_again_whole_with_all_made_of_it",),
    ),
    34: (
        "one attempt per partition commits; its failure frees the right; old attempts do not",
        ("test_one_attempt_of_each_partition_counts_whoever_comes_late",),
    ),
    35: (
        "accumulators of tasks that run again do not count twice",
        ("test_faults.test_repeated_map_task_is_accepted_as_a_repetition",),
    ),
    36: (
        "barrier: all tasks again; not enough room: clear error",
        (
            "test_dispatch.test_barrier_failure_runs_all_tasks_again_and_accepts_each_once",
            "test_dispatch.test_barrier_without_enough_cores_is_a_clear_error",
        ),
    ),
    37: (
        "all executors lost, none comes back; a replacement that cannot be placed",
        (
            "test_faults.test_all_executors_gone_and_none_comes",
            "test_faults.test_replacement_that_does_not_come_does_not_block_the_others",
        ),
    ),
    38: (
        "executor lost between success and the fetch of its result",
        ("test_lost_result_is_a_job_of_its_partition_alone",),
    ),
    39: (
        "executors with repeated failures are avoided",
        ("test_task_failures.test_failed_task_goes_to_another_executor_if_one_is_free",),
    ),
    40: (
        "locality is preferred, never waited for when its executor is gone",
        (
            "test_dispatch.test_task_runs_where_its_block_is_in_memory",
            "test_dispatch.test_no_waiting_for_the_dead",
        ),
    ),
    41: (
        "first use of one shuffle or cache by two jobs at once",
        (
            "test_jobs.test_first_use_of_a_shuffle_by_two_jobs_at_once_runs_it_once",
            "test_first_use_of_a_cached_rdd_by_two_jobs_at_once",
        ),
    ),
    42: (
        "the waiting thread is interrupted: tasks cancelled, tables empty",
        ("test_jobs.test_cancel", "test_interrupted_job_frees_its_cores_for_the_next"),
    ),
    43: ("stop() during a job", ("test_jobs.test_stop_fails_jobs_running_and_later",)),
    44: ("deep and wide lineage", ("test_jobs.test_deep_and_wide_lineage",)),
    45: (
        "a job submitted from a listener, a finalizer or a callback",
        ("test_jobs.test_job_submitted_while_another_ones_end_is_reported",),
    ),
}


def test_the_index_is_complete() -> None:
    assert sorted(SCENARIOS) == list(range(1, 46))
    assert len({what for what, _ in SCENARIOS.values()}) == 45


@pytest.mark.parametrize("number", sorted(SCENARIOS))
def test_each_scenario_has_its_tests(number: int) -> None:
    for place in SCENARIOS[number][1]:
        module, _, name = place.rpartition(".")
        found = importlib.import_module(f"tests.scheduler.{module}") if module else None
        where = vars(found) if found else globals()
        assert callable(where.get(name)), f"scenario {number}: there is no {place}"


# -- the scenarios that are nobody else's ------------------------------------------


def test_many_fetch_failures_in_one_attempt_do_not_abort() -> None:
    backend = FakeBackend(executors=12)
    backend.submit(result_job(0, 12, [0], [map_stage(0, 3)]))
    backend.succeed_all()
    for partition in range(12):  # three times as many as attempts are allowed
        backend.fetch_fail(backend.task(partition), 0, [partition % 3])
    assert not backend.failed
    backend.run_all()
    assert backend.finished == [0]
    assert {t.stage_attempt for t in backend.launched if t.shuffle_id is None} == {0, 1}
    backend.assert_done()


def test_no_task_ever_has_two_attempts_at_work() -> None:
    """Losses come while tasks of the attempt before still run."""
    backend = FakeBackend(executors=6, nodes=3)
    backend.submit(result_job(0, 6, [0], [map_stage(0, 6)]))
    backend.succeed_all()
    for round_ in range(3):
        backend.fetch_fail(backend.task(round_), 0, [round_, 5 - round_])
        backend.advance(0.1)
        while backend.partitions(0):
            at_work = [(t.shuffle_id, t.partition) for t in backend.running]
            assert len(at_work) == len(set(at_work)), "two attempts of one task"
            backend.succeed(backend.task(backend.partitions(0)[0], 0))
        at_work = [(t.shuffle_id, t.partition) for t in backend.running]
        assert len(at_work) == len(set(at_work)) == 6
    backend.run_all()
    assert backend.finished == [0]
    assert sorted(a.index for a in backend.accepted if a.index is not None) == list(range(6))


def test_job_whose_result_the_driver_cannot_handle_ends_alone() -> None:
    """Its result handler or an accumulator raised, or its results are too large.

    The runtime then gives the job up, at the very moment a result was accepted.
    """
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 3, [0], [map_stage(0, 2)]))
    backend.submit(result_job(1, 2, [0], [map_stage(0, 2)]))
    backend.succeed_all()
    first = backend.task(0)
    assert first.job_id == 0
    commands = backend.succeed(first)
    assert isinstance(commands[0], cmd.AcceptResult)
    backend.cancel(0, "addInPlace raised")
    assert list(backend.failed) == [0]
    backend.run_all()
    assert backend.finished == [1]
    backend.assert_done()


def test_job_that_cannot_be_shipped_leaves_nothing() -> None:
    """What cannot be pickled is refused before a job exists; what the runtime finds
    when it launches the first task ends the job with that task."""
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 2, [0], [map_stage(0, 2)]))
    backend.fail(backend.running[0], "cannot pickle", is_retryable=False)
    assert backend.failed[JobId(0)].cause == "cannot pickle"
    backend.assert_done()
    for task in backend.running:
        backend.kill(task)
    backend.submit(result_job(1, 2))
    backend.run_all()
    assert backend.finished == [1]


def test_one_attempt_of_each_partition_counts_whoever_comes_late() -> None:
    """Who may commit is decided by who is accepted: exactly one attempt.

    Files are named by the attempt, so what others wrote is nobody's."""
    config = SchedulerConfig(speculation=True, speculation_quantile=0.5, prefetch_below_s=0)
    backend = FakeBackend(config, executors=3)
    backend.submit(result_job(0, 4))
    failing = backend.task(0)
    backend.fail(failing)  # it had the right to commit, and frees it
    again = backend.task(0)
    assert (again.attempt, again.partition) == (failing.attempt + 1, 0)
    backend.clock.advance(0.01)
    slow = backend.task(1)
    while others := [task for task in backend.running if task is not slow]:
        backend.succeed(others[0])
    backend.advance(1)
    copy = backend.running[-1]
    assert copy.is_speculative
    assert copy.attempt != slow.attempt
    backend.succeed(copy)
    assert backend.succeed(slow)[0] == cmd.DiscardResult(slow.task_id)
    # The attempt that failed long ago reports once more.
    assert backend.succeed(failing)[0] == cmd.DiscardResult(failing.task_id)
    assert backend.finished == [0]
    assert sorted(a.index for a in backend.accepted if a.index is not None) == [0, 1, 2, 3]
    names = [(t.partition, t.attempt) for t in backend.launched]
    assert len(names) == len(set(names)), "two attempts would write one file"


def test_lost_result_is_a_job_of_its_partition_alone() -> None:
    """The runtime asks for it again; what the first job made is still used."""
    backend = FakeBackend(executors=2, nodes=2)
    stages = [map_stage(0, 4)]
    backend.submit(result_job(0, 4, [0], stages))
    backend.run_all()
    assert backend.finished == [0]
    launched = len(backend.launched)
    backend.lose_executor("e0")
    backend.submit(result_job(1, 4, [0], stages, partitions=[2]))
    backend.run_all()
    assert backend.finished == [0, 1]
    again = backend.launched[launched:]
    assert [(t.shuffle_id, t.partition) for t in again] == [(None, 2)]
    backend.assert_done()


def test_first_use_of_a_cached_rdd_by_two_jobs_at_once() -> None:
    """Both compute it, as neither waits for the other; the shuffle below runs once."""
    rdd = RddId(7)
    point = RddPoint(rdd, 2)
    fields = {
        "behind": {rdd: result_job(9, 2, [0]).final.reads},
        "blocks": tuple(((rdd, p),) for p in range(2)),
    }
    backend = FakeBackend(executors=4)
    for job in (0, 1):
        backend.submit(result_job(job, 2, [point], [map_stage(0, 2)], **fields))
    assert backend.partitions(0) == [0, 1]
    backend.succeed_all()
    assert backend.partitions() == [0, 0, 1, 1]
    for task in backend.running:
        update = ev.BlockUpdate((rdd, task.partition), True, False)
        backend.send(ev.BlocksUpdated(ExecutorId(task.executor_id), (update,)))
        backend.succeed(task)
    assert sorted(backend.finished) == [0, 1]
    backend.submit(result_job(2, 2, [point], [map_stage(0, 2)], **fields))
    backend.send(ev.ShuffleForgotten(ShuffleId(0)))
    backend.run_all()
    assert len([t for t in backend.launched if t.shuffle_id == 0]) == 2
    assert backend.scheduler.blocks.is_complete(rdd, 2)
    backend.assert_done()


def test_interrupted_job_frees_its_cores_for_the_next() -> None:
    backend = FakeBackend(executors=2)
    backend.submit(result_job(0, 5, [0], [map_stage(0, 2)]))
    running = backend.running
    backend.cancel(0, "the waiting thread was interrupted")
    assert [c.task_id for c in backend.commands(cmd.CancelTask)] == [t.task_id for t in running]
    backend.assert_done()
    backend.submit(result_job(1, 2))
    assert backend.partitions() == [], "no core is free before the tasks have ended"
    for task in running:
        backend.kill(task)
    assert backend.partitions() == [0, 1]
    backend.run_all()
    assert backend.finished == [1]
