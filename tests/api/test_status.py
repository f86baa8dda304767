"""The status tracker, and properties that threads inherit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minispark.ids import JobId
from minispark.scheduler.history import History
from minispark.testing import FakeBackend, map_stage, result_job


@pytest.fixture
def group(sc: Any, request: pytest.FixtureRequest) -> Any:
    name = request.node.nodeid
    sc.setJobGroup(name, "a test")
    yield name
    for key in ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel"):
        sc.setLocalProperty(key, None)


def test_a_job_that_succeeded(sc: Any, group: str) -> None:
    assert sc.parallelize(range(4), 2).map(lambda x: (x % 2, x)).groupByKey(3).count() == 2
    tracker = sc.statusTracker()
    [job_id] = tracker.getJobIdsForGroup(group)
    job = tracker.getJobInfo(job_id)
    assert (job.jobId, job.status, len(job.stageIds)) == (job_id, "SUCCEEDED", 2)
    first, last = map(tracker.getStageInfo, job.stageIds)
    assert first[3:] == (2, 0, 2, 0)
    assert last[3:] == (3, 0, 3, 0)
    assert "test_status.py" in last.name
    assert job_id not in tracker.getJobIdsForGroup()


def test_a_skipped_stage_did_nothing(sc: Any, group: str) -> None:
    pairs = sc.parallelize([(1, 2)], 2).reduceByKey(lambda x, y: x + y)
    pairs.count()
    pairs.count()
    tracker = sc.statusTracker()
    again = tracker.getJobInfo(max(tracker.getJobIdsForGroup(group)))
    assert tracker.getStageInfo(again.stageIds[0])[3:] == (2, 0, 0, 0)


def test_a_job_that_failed(sc: Any, group: str) -> None:
    with pytest.raises(ZeroDivisionError):
        sc.parallelize([1], 1).map(lambda x: 1 // 0).collect()
    tracker = sc.statusTracker()
    job = tracker.getJobInfo(max(tracker.getJobIdsForGroup(group)))
    assert job.status == "FAILED"
    stage = tracker.getStageInfo(job.stageIds[-1])
    assert stage.numFailedTasks >= 1
    assert stage.numActiveTasks == 0


def test_a_job_that_runs(sc: Any, group: str) -> None:
    tracker = sc.statusTracker()
    parts = sc.parallelize(range(3), 3).toLocalIterator()
    assert next(parts) == 0
    assert tracker.getActiveJobsIds() == []
    seen = []
    results = sc._start(sc.parallelize(range(3), 3)._node, lambda i, records: list(records))
    next(results)
    for job_id in tracker.getActiveJobsIds():
        seen.append(tracker.getJobInfo(job_id).status)
        assert job_id in tracker.getJobIdsForGroup(group)
        assert set(tracker.getActiveStageIds()) <= set(tracker.getJobInfo(job_id).stageIds)
    results.close()
    assert seen in (["RUNNING"], [])
    assert tracker.getActiveJobsIds() == []


def test_tags(sc: Any) -> None:
    sc.addJobTag("blue")
    try:
        sc.parallelize([1], 1).count()
    finally:
        sc.clearJobTags()
    [job_id] = sc.statusTracker().getJobIdsForTag("blue")
    assert sc.statusTracker().getJobInfo(job_id).status == "SUCCEEDED"


def test_what_is_not_known(sc: Any) -> None:
    tracker = sc.statusTracker()
    assert tracker.getJobInfo(10**9) is None
    assert tracker.getStageInfo(10**9) is None
    assert tracker.getJobIdsForGroup("no such group") == []


def test_executors(sc: Any) -> None:
    sc.parallelize([1], 1).count()
    executors = sc.statusTracker().getExecutorInfos()
    assert executors
    # A task of a job given up before may not have answered yet.
    assert {executor.numRunningTasks for executor in executors} <= {0, 1}
    assert all(executor.host for executor in executors)


def test_the_memory_is_bounded() -> None:
    backend = FakeBackend()
    backend.scheduler._state.history = history = History(max_jobs=3, max_stages=4)
    for n in range(10):
        backend.submit(result_job(n, 1, [n], [map_stage(n, 1)]))
        backend.run_all()
    assert list(history.jobs) == [7, 8, 9]
    assert len(history.stages) == 4
    assert backend.scheduler.job_info(JobId(0)) is None
    assert [info.job_id for info in backend.scheduler.jobs_info()] == [7, 8, 9]


# -- threads -----------------------------------------------------------------------


def in_thread(engine: Any, kind: str, work: Any) -> None:
    if kind == "plain":
        thread = threading.Thread(target=work)
    else:
        thread = engine.InheritableThread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize(("kind", "expected"), [("plain", None), ("inheritable", "red")])
def test_what_threads_inherit(sc: Any, engine: Any, kind: str, expected: Any) -> None:
    seen: list[Any] = []
    sc.setLocalProperty("color", "red")
    try:
        in_thread(engine, kind, lambda: seen.append(sc.getLocalProperty("color")))
    finally:
        sc.setLocalProperty("color", None)
    assert seen == [expected]


def test_a_thread_inherits_group_and_tags_and_keeps_its_own(sc: Any, group: str) -> None:
    from minispark import InheritableThread

    sc.addJobTag("outer")
    jobs: list[int] = []

    def work(word: str, times: int) -> None:
        sc.addJobTag("inner")
        sc.setLocalProperty("color", word * times)
        sc.parallelize([1], 1).count()
        jobs.extend(sc.statusTracker().getJobIdsForTag("inner"))

    thread = InheritableThread(work, args=("red",), kwargs={"times": 2}, name="worker")
    try:
        thread.start()
        thread.join()
        assert thread.name == "worker"
        assert sc.getJobTags() == {"outer"}
        assert sc.getLocalProperty("color") is None
        assert set(jobs) <= set(sc.statusTracker().getJobIdsForTag("outer"))
        assert jobs == sc.statusTracker().getJobIdsForGroup(group)
    finally:
        sc.clearJobTags()


def test_a_thread_takes_the_properties_of_its_start(sc: Any, engine: Any) -> None:
    seen: list[Any] = []
    thread = engine.InheritableThread(target=lambda: seen.append(sc.getLocalProperty("color")))
    sc.setLocalProperty("color", "late")
    try:
        thread.start()
        thread.join()
    finally:
        sc.setLocalProperty("color", None)
    assert seen == ["late"]


@pytest.mark.minispark_only
def test_a_target_takes_the_properties_of_its_wrapping(sc: Any) -> None:
    from minispark import inheritable_thread_target

    sc.setLocalProperty("color", "early")

    def look(prefix: str) -> str:
        """Its name and text stay."""
        return f"{prefix} {sc.getLocalProperty('color')}"

    wrapped = inheritable_thread_target(look)
    sc.setLocalProperty("color", None)
    assert (wrapped.__name__, wrapped.__doc__) == ("look", "Its name and text stay.")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(wrapped, "was").result() == "was early"


def test_tasks_see_the_properties(sc: Any, engine: Any) -> None:
    def look(x: int) -> Any:
        return engine_context().getLocalProperty("color")

    engine_context = engine.TaskContext.get
    sc.setLocalProperty("color", "green")
    try:
        rdd = sc.parallelize([1], 1).map(look)
        assert rdd.collect() == ["green"]
    finally:
        sc.setLocalProperty("color", None)
    assert rdd.collect() == [None]


@pytest.mark.minispark_only
def test_interrupt_on_cancel_is_a_property(sc: Any) -> None:
    sc.setInterruptOnCancel(False)
    assert sc.getLocalProperty("spark.job.interruptOnCancel") == "false"
    sc.setLocalProperty("spark.job.interruptOnCancel", None)


@pytest.mark.minispark_only
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("hadoopFile", ("p", "f", "k", "v")),
        ("hadoopRDD", ("f", "k", "v")),
        ("newAPIHadoopFile", ("p", "f", "k", "v")),
        ("newAPIHadoopRDD", ("f", "k", "v")),
    ],
)
def test_what_needs_a_jvm_says_what_to_use(sc: Any, method: str, arguments: Any) -> None:
    with pytest.raises(NotImplementedError, match=rf"{method}\(\).*; use \w+File\("):
        getattr(sc, method)(*arguments)
