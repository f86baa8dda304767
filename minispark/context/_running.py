"""Running jobs, and saying things about the jobs of a thread."""

from __future__ import annotations

import functools
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import uuid4

from minispark.context._base import _ContextBase
from minispark.errors import PySparkValueError
from minispark.kernels.aggregate import to_list
from minispark.plan.nodes import Node
from minispark.rdd.rdd import RDD
from minispark.runtime.call_site import call_site
from minispark.runtime.properties import checked_tag

log = logging.getLogger("minispark")

T = TypeVar("T")
U = TypeVar("U")


class _Running(_ContextBase):
    """Actions become jobs here."""

    # -- running -------------------------------------------------------------------

    def runJob(
        self,
        rdd: RDD[T],
        partitionFunc: Callable[[Iterable[T]], Iterable[U]],
        partitions: Sequence[int] | None = None,
        allowLocal: bool = False,
    ) -> list[U]:
        """Applies a function to the records of some partitions; all its results.

        Examples
        --------
        >>> rdd = sc.parallelize(range(6), 3)
        >>> sc.runJob(rdd, lambda part: [x * x for x in part], [0, 2])
        [0, 1, 16, 25]
        """
        parts = self._run_partitions(rdd, functools.partial(_as_list, partitionFunc), partitions)
        return list(itertools.chain.from_iterable(parts))

    def _run_partitions(
        self,
        rdd: RDD[Any],
        func: Callable[[int, Iterator[Any]], Any],
        partitions: Sequence[int] | None = None,
    ) -> list[Any]:
        """`func(index, records)` of each partition, in the order asked for."""
        results: dict[int, Any] = dict(self._start(rdd._node, func, partitions))
        self._checkpoints.after_job(rdd._node)
        return [results[index] for index in range(len(results))]

    def _run_for(
        self, rdd: RDD[Any], func: Callable[[int, Iterator[Any]], Any], timeout_s: float
    ) -> dict[int, Any]:
        """`func(index, records)` of those partitions that end within a time.

        The job goes on when the time is up, as Spark's does: what it caches
        and what it adds to accumulators stays.
        """
        tag = f"minispark-timed-{uuid4().hex}"
        properties, tags = dict(self._properties.values), set(self._properties.tags)
        self._properties.tags.add(tag)  # by which it can be cancelled
        try:
            results = self._start(rdd._node, func)
        finally:
            self._properties.tags.discard(tag)
        arrived: SimpleQueue[tuple[int, Any] | BaseException | None] = SimpleQueue()

        def work() -> None:
            self._properties.adopt(properties, tags)
            try:
                for item in results:
                    arrived.put(item)
                self._checkpoints.after_job(rdd._node)
            except BaseException as error:
                # For who waits; when nobody does any more, for the log.
                log.info("a job with a time limit failed: %s", error)
                arrived.put(error)
            else:
                arrived.put(None)

        deadline = time.monotonic() + timeout_s
        threading.Thread(target=work, name="minispark-timed", daemon=True).start()
        found: dict[int, Any] = {}
        try:
            while True:
                # At least one look: what is there counts however late it is.
                item = arrived.get(timeout=max(0.0, deadline - time.monotonic()))
                if item is None:
                    return found
                if isinstance(item, BaseException):
                    raise item
                found[item[0]] = item[1]
        except Empty:
            return found
        except BaseException:
            self._cancel(lambda job: tag in job.tags, "the waiting thread was interrupted", None)
            raise

    def _start(
        self,
        node: Node,
        func: Callable[[int, Iterator[Any]], Any],
        partitions: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        self._assert_active()
        if partitions is None:
            partitions = range(node.num_partitions)
        for partition in partitions:
            if not 0 <= partition < node.num_partitions:
                raise PySparkValueError(
                    f"partitions: {partition} is not one of the RDD's "
                    f"{node.num_partitions} partitions"
                )
        return self._engine.run(
            node,
            func,
            partitions,
            call_site(),
            dict(self._properties.values),
            self._properties.group,
            frozenset(self._properties.tags),
            self._properties.description,
        )

    def _iterate_partitions(self, rdd: RDD[Any], prefetch: bool) -> Iterator[list[Any]]:
        """The partitions one after the other; with `prefetch` one ahead."""
        count = rdd._node.num_partitions
        if not prefetch:
            for index in range(count):
                yield self._run_partitions(rdd, to_list, [index])[0]
            return
        from concurrent.futures import ThreadPoolExecutor  # for few programs (ADR 0032)

        with ThreadPoolExecutor(
            1,
            "minispark-prefetch",
            # Its jobs are this thread's: in its group, with its properties.
            self._properties.adopt,
            (dict(self._properties.values), set(self._properties.tags)),
        ) as pool:
            following = pool.submit(self._run_partitions, rdd, to_list, [0]) if count else None
            for index in range(count):
                assert following is not None
                current = following.result()[0]
                if index + 1 < count:
                    following = pool.submit(self._run_partitions, rdd, to_list, [index + 1])
                yield current

    # -- job groups and the like ---------------------------------------------------

    def setLocalProperty(self, key: str, value: str | None) -> None:
        """Sets a property of the jobs this thread submits; None removes it.

        Examples
        --------
        >>> sc.setLocalProperty("color", "red")
        >>> sc.getLocalProperty("color")
        'red'
        >>> sc.setLocalProperty("color", None)
        """
        self._properties.set(key, value)

    def getLocalProperty(self, key: str) -> str | None:
        """A property set by this thread, or None.

        Examples
        --------
        >>> sc.getLocalProperty("nothing of this name") is None
        True
        """
        return self._properties.values.get(key)

    def setJobGroup(self, groupId: str, description: str, interruptOnCancel: bool = False) -> None:
        """Puts the jobs this thread submits into a group that can be cancelled.

        Examples
        --------
        >>> sc.setJobGroup("nightly", "the nightly report")
        >>> sc.parallelize([1]).count()
        1
        >>> len(sc.statusTracker().getJobIdsForGroup("nightly"))
        1
        >>> sc.setLocalProperty("spark.jobGroup.id", None)
        """
        self._properties.set_group(groupId, description, interruptOnCancel)

    def setJobDescription(self, value: str | None) -> None:
        """Describes the jobs this thread submits.

        Examples
        --------
        >>> sc.setJobDescription("counts the words")
        >>> sc.setJobDescription(None)
        """
        self._properties.set_description(value)

    def addJobTag(self, tag: str) -> None:
        """Adds a tag to the jobs this thread submits.

        Examples
        --------
        >>> sc.addJobTag("nightly")
        >>> sc.getJobTags()
        {'nightly'}
        >>> sc.clearJobTags()
        """
        self._properties.tags.add(checked_tag(tag))

    def removeJobTag(self, tag: str) -> None:
        """Removes a tag from the jobs this thread submits.

        Examples
        --------
        >>> sc.addJobTag("nightly")
        >>> sc.removeJobTag("nightly")
        >>> sc.getJobTags()
        set()
        """
        self._properties.tags.discard(checked_tag(tag))

    def getJobTags(self) -> set[str]:
        """The tags of the jobs this thread submits.

        Examples
        --------
        >>> sc.getJobTags()
        set()
        """
        return set(self._properties.tags)

    def clearJobTags(self) -> None:
        """Removes all tags from the jobs this thread submits.

        Examples
        --------
        >>> sc.addJobTag("nightly")
        >>> sc.clearJobTags()
        >>> sc.getJobTags()
        set()
        """
        self._properties.tags.clear()

    def cancelJobGroup(self, groupId: str, reason: str | None = None) -> None:
        """Cancels the running jobs of a group.

        Examples
        --------
        >>> sc.cancelJobGroup("a group without jobs")
        """
        self._cancel(
            lambda job: job.group == groupId, f"part of cancelled job group {groupId}", reason
        )

    def cancelJobsWithTag(self, tag: str, reason: str | None = None) -> None:
        """Cancels the running jobs that have a tag.

        Examples
        --------
        >>> sc.cancelJobsWithTag("nobodys")
        """
        checked_tag(tag)
        self._cancel(lambda job: tag in job.tags, f"part of cancelled job tag {tag}", reason)

    def cancelAllJobs(self) -> None:
        """Cancels all running jobs.

        Examples
        --------
        >>> sc.cancelAllJobs()
        """
        self._cancel(lambda job: True, "all jobs were cancelled", None)

    def _cancel(self, chosen: Callable[[Any], bool], why: str, reason: str | None) -> None:
        driver = self._engine.driver
        ids = [job.job_id for job in driver.jobs() if chosen(job)]
        driver.cancel(ids, f"{why}: {reason}" if reason else why)


def _as_list(function: Callable[[Any], Iterable[Any]], _index: int, records: Any) -> list[Any]:
    return list(function(iter(records)))
