"""Settings of the scheduler; the runtime fills them from the `SparkConf`."""

from __future__ import annotations

from minispark.records import record


@record
class SchedulerConfig:
    """All times in seconds, on the clock of `handle(event, now)`."""

    #: A task that failed this often fails its jobs (`spark.task.maxFailures`).
    max_task_failures: int = 4
    #: So many attempts of one stage in a row may end with a lost input.
    max_stage_attempts: int = 4
    #: After a lost input, how long to collect more reports before acting.
    fetch_coalesce_s: float = 0.1
    #: How long a free core is kept for a task that has its data elsewhere.
    locality_wait_s: float = 0.3
    #: Tasks shorter than this are sent ahead, at least one per executor,
    prefetch_below_s: float = 0.05
    #: and while those that wait there together take less than this,
    prefetch_span_s: float = 0.004
    #: up to this many.
    max_prefetch: int = 8
    #: Share executors evenly among pools instead of first come, first served.
    fair: bool = False
    #: Start copies of tasks that are much slower than the rest of their stage.
    speculation: bool = False
    speculation_interval_s: float = 0.1
    #: Share of a stage's tasks that must be done before copies start.
    speculation_quantile: float = 0.9
    #: A task is slow when it runs so many times longer than the median.
    speculation_multiplier: float = 3.0
    #: A task that runs for less than this is never slow.
    speculation_min_s: float = 0.1
    #: Jobs fail when no executor at all has been there for so long.
    executor_timeout_s: float = 120.0
    #: An executor that does not end a cancelled task in time is killed.
    cancel_grace_s: float = 2.0
    #: A barrier stage fails when there were not enough cores for so long.
    barrier_wait_s: float = 15.0
    #: A stage fails when no executor of its resource profile came for so long.
    profile_wait_s: float = 30.0

    def prefetch(self, mean_s: float, num_timed: int) -> int:
        """How many tasks of this mean duration, of so many, may wait at an executor."""
        if mean_s >= self.prefetch_below_s:
            return 0
        limit = min(self.max_prefetch, num_timed)
        if mean_s * limit <= self.prefetch_span_s:
            return limit
        return max(1, int(self.prefetch_span_s / mean_s))

    def __post_init__(self) -> None:
        if self.max_task_failures < 1 or self.max_stage_attempts < 1:
            raise ValueError("max_task_failures and max_stage_attempts must be at least 1")
