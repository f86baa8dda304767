"""`TaskContext`: what a user function may know about the task it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from minispark.runtime.current import current_task


class TaskContext:
    """Facts about the running task; `TaskContext.get()` inside a task.

    Examples
    --------
    >>> from minispark import TaskContext
    >>> sc.parallelize(range(4), 2).map(lambda x: TaskContext.get().partitionId()).collect()
    [0, 0, 1, 1]
    """

    __module__ = "minispark"

    def __init__(
        self,
        stage_id: int = 0,
        partition_id: int = 0,
        attempt_number: int = 0,
        task_attempt_id: int = 0,
        local_properties: Mapping[str, str] | None = None,
        cpus: int = 1,
        resources: Mapping[str, Any] | None = None,
    ) -> None:
        self._stage_id = stage_id
        self._partition_id = partition_id
        self._attempt_number = attempt_number
        self._task_attempt_id = task_attempt_id
        self._local_properties = dict(local_properties or {})
        self._cpus = cpus
        self._resources = dict(resources or {})

    @classmethod
    def get(cls) -> TaskContext | None:
        """The context of the running task; None on the driver.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> TaskContext.get() is None
        True
        """
        task = current_task()
        return None if task is None else task.context

    def stageId(self) -> int:
        """The stage this task belongs to.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> sc.parallelize([1]).map(lambda x: TaskContext.get().stageId()).first() >= 0
        True
        """
        return self._stage_id

    def partitionId(self) -> int:
        """The partition this task computes.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> rdd = sc.parallelize(["a", "b"], 2)
        >>> rdd.map(lambda x: TaskContext.get().partitionId()).collect()
        [0, 1]
        """
        return self._partition_id

    def attemptNumber(self) -> int:
        """How often this task was attempted before; 0 for the first time.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> sc.parallelize([1]).map(lambda x: TaskContext.get().attemptNumber()).first()
        0
        """
        return self._attempt_number

    def taskAttemptId(self) -> int:
        """A number that no other attempt in this application has.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> sc.parallelize([1]).map(lambda x: TaskContext.get().taskAttemptId()).first() >= 0
        True
        """
        return self._task_attempt_id

    def getLocalProperty(self, key: str) -> str | None:
        """A property the submitting thread had set, or None.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> sc.setLocalProperty("color", "red")
        >>> sc.parallelize([1]).map(lambda x: TaskContext.get().getLocalProperty("color")).first()
        'red'
        >>> sc.setLocalProperty("color", None)
        """
        return self._local_properties.get(key)

    def cpus(self) -> int:
        """Cores allocated to the task.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> sc.parallelize([1]).map(lambda x: TaskContext.get().cpus()).first()
        1
        """
        return self._cpus

    def cpuAmount(self) -> Decimal:
        """Cores allocated to the task, as PySpark gives fractions of them."""
        return Decimal(self._cpus)

    def resources(self) -> dict[str, Any]:
        """Other resources allocated to the task, by name.

        Examples
        --------
        >>> from minispark import TaskContext
        >>> sc.parallelize([1]).map(lambda x: TaskContext.get().resources()).first()
        {}
        """
        return self._resources
